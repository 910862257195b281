"""A build context as a tar archive: a folder's files and links, without what `.dockerignore` excludes."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from docker.utils.build import exclude_paths

from evolve.core.errors import BadInput

IGNORE_FILE = ".dockerignore"
DOCKERFILE = "Dockerfile"
# Python's caches, which the installer of a wheel writes beside the bundled tasks.
CACHE = "__pycache__"


def pack_context(folder: Path, dockerfile: str | None = None) -> IO[bytes]:
    """Pack a folder for the engine's builder, as an open file at its start.

    Owners are root, times are zero, and of modes only the executable bit is kept, so that equal files make equal images
    wherever they come from. Links stay links.

    Args:
        dockerfile: Text in the place of the folder's Dockerfile.

    Raises:
        BadInput: `.dockerignore` can't be read.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path in _included(folder):
            if dockerfile is None or path != DOCKERFILE:
                _add(archive, folder / path, path)
        if dockerfile is not None:
            _add_text(archive, DOCKERFILE, dockerfile)
    file.seek(0)
    return file


def pack_dockerfile(text: str) -> IO[bytes]:
    """A build context that holds a Dockerfile only, as `pack_context`."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with tarfile.open(fileobj=file, mode="w") as archive:
        _add_text(archive, DOCKERFILE, text)
    file.seek(0)
    return file


def _included(folder: Path) -> Iterator[str]:
    """The paths that are part of the context, in order."""
    paths: Iterable[str] = exclude_paths(str(folder), _patterns(folder / IGNORE_FILE), dockerfile=DOCKERFILE)
    return (path for path in sorted(paths) if CACHE not in Path(path).parts)


def _patterns(file: Path) -> list[str]:
    if not file.is_file():
        return []
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise BadInput(str(file), f"is not UTF-8 text: {error.reason}", "save it as UTF-8") from error
    return [line for line in lines if line and not line.startswith("#")]


def _add(archive: tarfile.TarFile, source: Path, name: str) -> None:
    """Add a file, folder or link; sockets and devices are left out."""
    member = tarfile.TarInfo(name)
    if source.is_symlink():
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, os.readlink(source), 0o777
        archive.addfile(member)
    elif source.is_dir():
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(member)
    elif source.is_file():
        status = source.stat()
        member.size, member.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
        with source.open("rb") as content:
            archive.addfile(member, content)


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
