"""What an agent changed in its working directory, read by the engine: nothing in the container takes part in that."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from docker.errors import APIError, NotFound

from evolve.sandbox.container import Container
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.inside import PRISTINE
from evolve.sandbox.task_state import TaskState

# What tools write beside the work.
CACHES = frozenset({".git", "__pycache__", "node_modules", ".cache", ".pytest_cache", ".mypy_cache", ".ruff_cache"})
MAX_BYTES, MAX_FILES = 64_000_000, 5_000
# How many changed files of a whole file system are read.
MAX_READ = 40
DELETED = 2


@dataclass(frozen=True)
class WorkingFile:
    """A file's content; of a link, what it leads to. `sha256`: of all of it; `data`: its beginning."""

    size: int
    sha256: str
    data: bytes


def file_of(data: bytes, kept: int) -> WorkingFile:
    """A file with this content, of which so many bytes are kept."""
    return WorkingFile(len(data), hashlib.sha256(data).hexdigest(), data[:kept])


Files = dict[str, WorkingFile]


@dataclass(frozen=True)
class WorkingChanges:
    """Files by their paths in the working directory, before and after. `is_complete`: none was left out."""

    before: Mapping[str, WorkingFile | None]
    after: Mapping[str, WorkingFile]
    is_complete: bool = True


def original_files(container: Container, state: TaskState, kept: int) -> tuple[Files, bool]:
    """The files of the working directory in the image, and whether these are all; none for a loose suite.

    Nothing in the container can change them.

    Raises:
        InfraError: The engine failed.
    """
    return ({}, True) if state.loose else read_folder(container, PRISTINE, kept)


def working_changes(container: Container, state: TaskState, kept: int, original: tuple[Files, bool]) -> WorkingChanges:
    """Read what changed in the working directory since the container's start.

    Of a strict suite all files are read, otherwise those that the engine lists as changed, whose earlier content is
    unknown: `before` is None for them.

    Args:
        container: It may be stopped, as long as its volume is there.
        kept: How many bytes of each file are kept.
        original: Of `original_files`.

    Raises:
        InfraError: The engine failed.
    """
    if state.loose:
        return _listed_changes(container, state.image.workdir, kept)
    before, first = original
    after, second = read_folder(container, state.image.workdir, kept)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return WorkingChanges(
        {path: file for path, file in before.items() if path in changed},
        {path: file for path, file in after.items() if path in changed},
        first and second,
    )


def read_folder(container: Container, folder: str, kept: int) -> tuple[Files, bool]:
    """The files of a folder by their paths in it, and whether these are all. Raises InfraError."""
    with engine_faults():
        try:
            stream, _ = container.client.api.get_archive(container.id, folder)
        except (NotFound, APIError):
            return {}, False
    with engine_faults(), contextlib.closing(_chunks(stream)) as chunks:
        return _read_archive(chunks, kept)


def _chunks(stream: Iterable[bytes]) -> Generator[bytes]:
    yield from stream


def _listed_changes(container: Container, workdir: str, kept: int) -> WorkingChanges:
    with engine_faults():
        rows = container.client.api.diff(container.id) or []
    top = workdir.rstrip("/") + "/"
    listed = {str(row["Path"]).removeprefix(top): int(row["Kind"]) for row in rows if str(row["Path"]).startswith(top)}
    listed = {path: kind for path, kind in listed.items() if not _is_cache(path)}
    before: dict[str, WorkingFile | None] = {path: None for path, kind in listed.items() if kind != 1}
    after: Files = {}
    # A folder is listed as changed if anything in it is.
    folders = {str(parent) for path in listed for parent in PurePosixPath(path).parents}
    paths = [path for path, kind in sorted(listed.items()) if kind != DELETED and path not in folders]
    for path in paths[:MAX_READ]:
        files, _ = read_folder(container, top + path, kept)
        if len(files) == 1:  # an empty folder has none
            after[path] = next(iter(files.values()))
    gone = {path for path, kind in listed.items() if kind == DELETED}
    return WorkingChanges(
        {path: file for path, file in before.items() if path in after or path in gone}, after, len(paths) <= MAX_READ
    )


def _is_cache(path: str) -> bool:
    return not CACHES.isdisjoint(PurePosixPath(path).parts)


class _Chunks(io.RawIOBase):
    """A stream of chunks as a file, which ends after MAX_BYTES."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest, self.total = chunks, b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest and self.total <= MAX_BYTES:
            self._rest = next(self._chunks, b"")
            self.total += len(self._rest)
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _read_archive(chunks: Iterator[bytes], kept: int) -> tuple[Files, bool]:
    """Read an archive of a folder or a file, as far as the limits allow; the first part of each name is the folder."""
    files: Files = {}
    source = _Chunks(chunks)
    try:
        with tarfile.open(fileobj=io.BufferedReader(source, 65536), mode="r|") as archive:
            for member in archive:
                path = "/".join(PurePosixPath(member.name).parts[1:])
                if member.isdir() or _is_cache(path):
                    continue
                if len(files) >= MAX_FILES:
                    return files, False
                files[path or member.name] = _read_member(archive, member, kept)
    except (tarfile.TarError, EOFError, ValueError):
        return files, False
    return files, source.total <= MAX_BYTES


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo, kept: int) -> WorkingFile:
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        return file_of(f"{member.type.decode('latin-1')}:{member.linkname}".encode("utf-8", "surrogateescape"), kept)
    total, head = hashlib.sha256(), b""
    while chunk := content.read(65536):
        total.update(chunk)
        head += chunk[: max(kept - len(head), 0)]
    return WorkingFile(member.size, total.hexdigest(), head)
