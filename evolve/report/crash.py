"""Write a crash log for a bug in this program."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from importlib.metadata import version
from pathlib import Path

from evolve import __version__
from evolve.core.secrets import environment_secrets, without_secrets
from evolve.report.escaping import plain

PACKAGES = ("docker", "gitpython", "openai", "pydantic", "sqlalchemy", "starlette", "typer", "uvicorn")


def write_crash_log(error: BaseException) -> Path:
    """Write traceback and versions of Python, platform and main packages, without keys; returns the file."""
    lines = [
        f"evolve {__version__}",
        f"python {sys.version}",
        platform.platform(),
        f"command: {sys.argv[1:]}",
    ]
    lines += [f"{name} {version(name)}" for name in PACKAGES]
    lines += ["", *traceback.format_exception(error)]
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="evolve-crash-", suffix=".log", delete=False
    ) as file:
        file.write(plain(without_secrets("\n".join(lines), environment_secrets(os.environ)), lines=True))
    return Path(file.name)
