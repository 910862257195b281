"""The script that draws charts: made by a library of ours in seconds, and so kept in the user's cache."""

from __future__ import annotations

import contextlib
import os
import threading
from importlib.metadata import version
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from evolve.core.errors import InfraError
from evolve.host import disk
from evolve.pages.pictures import STATIC, chart_scripts

CACHED_SECONDS = 3600
_TURN = threading.Lock()


def vega(_: Request) -> Response:
    """The charts' script, from this machine."""
    headers = {"cache-control": f"private, max-age={CACHED_SECONDS}"}
    return Response(chart_library(cache_folder()), media_type="text/javascript", headers=headers)


def style(_: Request) -> Response:
    """The style that pages share with the report."""
    return Response((STATIC / "style.css").read_bytes(), media_type="text/css")


def cache_folder() -> Path:
    """The user's folder for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evolve"


def chart_library(folder: Path) -> bytes:
    """The script, from this folder if it is there; only a file that nobody else could write is used."""
    file = folder / f"vega-{version('vl-convert-python')}.js"
    with _TURN:
        if (known := _own_file(file)) is not None:
            return known
        made = chart_scripts().encode()
        with contextlib.suppress(OSError, InfraError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            disk.write_atomically(file, made)
        return made


def _own_file(file: Path) -> bytes | None:
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            is_ours = status.st_uid == os.geteuid() and not status.st_mode & 0o022
            return opened.read() if is_ours and status.st_size else None
    except OSError:
        return None
