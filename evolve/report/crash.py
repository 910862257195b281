"""Write a crash log for a bug in this program."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evolve import __version__
from evolve.core.escaping import plain
from evolve.core.secrets import environment_secrets, without_secrets

PACKAGES = ("docker", "gitpython", "openai", "pydantic", "sqlalchemy", "starlette", "typer", "uvicorn")
KEY_HEADERS = ("authorization", "x-api-key", "api-key")


def write_crash_log(error: BaseException) -> Path:
    """Write traceback and versions of Python, platform and main packages, without keys; returns the file."""
    lines = [
        f"evolve {__version__}",
        f"python {sys.version}",
        platform.platform(),
        f"command: {sys.argv[1:]}",
    ]
    lines += [f"{name} {_version(name)}" for name in PACKAGES]
    lines += ["", *traceback.format_exception(error)]
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="evolve-crash-", suffix=".log", delete=False
    ) as file:
        file.write(plain(without_keys("\n".join(lines), error), lines=True))
    return Path(file.name)


def _version(package: str) -> str:
    """Its version; a crash may be just that it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def without_keys(text: str, error: BaseException) -> str:
    """Return the text without the secrets of the environment, and the keys of requests that the error is about."""
    return without_secrets(text, (*environment_secrets(os.environ), *_sent_keys(error)))


def _sent_keys(error: BaseException | None) -> Iterator[str]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        headers = getattr(getattr(error, "request", None), "headers", {})
        yield from (str(headers.get(name, "")).rpartition(" ")[2] for name in KEY_HEADERS)
        error = error.__cause__ or error.__context__
