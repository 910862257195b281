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


class ChartLibrary:
    """The script, in the user's cache; only a file there that nobody else could write is used."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"vega-{version('vl-convert-python')}.js"
        self._turn = threading.Lock()

    def answer(self, _: Request) -> Response:
        """The script for a browser."""
        headers = {"cache-control": f"private, max-age={CACHED_SECONDS}"}
        return Response(self.script(), media_type="text/javascript", headers=headers)

    def script(self) -> bytes:
        """The script; made by one request at a time."""
        with self._turn:
            if (known := _own_file(self._file)) is not None:
                return known
            made = chart_scripts().encode()
            with contextlib.suppress(OSError, InfraError):
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                disk.write_atomically(self._file, made)
            return made


def style(_: Request) -> Response:
    """The style that pages share with the report."""
    return Response((STATIC / "style.css").read_bytes(), media_type="text/css")


def cache_folder() -> Path:
    """The user's folder for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evolve"


def _own_file(file: Path) -> bytes | None:
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            is_ours = status.st_uid == os.geteuid() and not status.st_mode & 0o022
            return opened.read() if is_ours and status.st_size else None
    except OSError:
        return None
