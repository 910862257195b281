"""Reading the git repositories of an image without running anything in it, as files that are not trusted."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from evolve.core.errors import BadInput
from evolve.sandbox.engine import connect, container_labels
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.inside import PRISTINE

LIFETIME_SECONDS = 600
CHUNK_BYTES = 1 << 20
MAX_BYTES = 1 << 30
# What says which objects a repository has and which it names, wherever it is; no config, hook, graft or cache.
LAYOUT = re.compile(
    r"(?:HEAD|packed-refs|shallow|(?:refs|logs)/.+|reftable/.+"
    r"|objects/(?:[0-9a-f]{2}/[0-9a-f]{38,62}|pack/pack-[^/]+\.(?:pack|idx)|info/alternates))"
)


def read_repositories(image: str, owner: str, folder: Path) -> None:
    """Write the files of all git repositories in an image below `folder`, at their paths.

    Args:
        image: Its name.
        owner: The label of the container that is made, and never started.
        folder: An empty folder.

    Raises:
        BadInput: They are too large.
        EngineError: The engine failed.
    """
    with engine_faults():
        api = connect().api
        container = api.create_container(image, ["true"], labels=container_labels(owner, LIFETIME_SECONDS))["Id"]
        try:
            stream = cast(IO[bytes], _Stream(api.export(container, CHUNK_BYTES)))
            with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK_BYTES) as archive:
                write_repositories(archive, folder)
        finally:
            api.remove_container(container, force=True, v=True)


def write_repositories(archive: tarfile.TarFile, folder: Path) -> None:
    """Write those members of an archive that belong to git repositories. Raises BadInput if they are too large."""
    written, size = dict[str, Path](), 0
    for member in archive:
        if not _is_wanted(member.name):
            continue
        target = folder.joinpath(*PurePosixPath(member.name).parts)
        if member.islnk() and member.linkname in written:
            _copy(written[member.linkname], target)
        elif member.isreg() and (content := archive.extractfile(member)) is not None:
            size += member.size
            if size > MAX_BYTES:
                raise BadInput(
                    "its image", f"git repositories of more than {MAX_BYTES >> 20} MB", "make shallow clones"
                )
            _write(content, target)
            written[member.name] = target


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    safe = not path.is_absolute() and ".." not in path.parts
    return safe and not f"/{name}".startswith(f"{PRISTINE}/") and any(map(LAYOUT.fullmatch, _tails(path)))


def _tails(path: PurePosixPath) -> Iterator[str]:
    """The path seen from each folder above it."""
    return ("/".join(path.parts[start:]) for start in range(len(path.parts)))


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as content:
        _write(content, target)


def _write(content: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        while chunk := content.read(CHUNK_BYTES):
            file.write(chunk)


class _Stream:
    """Chunks as a file that can only be read on."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
