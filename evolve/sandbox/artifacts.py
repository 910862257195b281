"""Take an agent's artifacts out of its dead container, and put them into another one.

What comes out is not trusted: only regular files, folders and links within one artifact are kept, without special
permissions, up to a total size. Nothing of it is written to the host's disk under a name that the agent chose.
"""

from __future__ import annotations

import contextlib
import fnmatch
import posixpath
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from docker.errors import APIError, NotFound

from evolve.core.task_format import ENGINE_FILES, Artifact
from evolve.host import disk
from evolve.sandbox.container import Container
from evolve.sandbox.exit_cause import engine_faults

MAX_BYTES = 2 << 30
MAX_FILES = 200_000
PUBLISHED = "/logs/artifacts"
# A mount point, which no agent can remove; empty in a container that has ended.
ALWAYS_THERE = "/proc"
# The bit of a folder in a mode that the engine gives.
FOLDER = 1 << 31
DIR_MODE, FILE_MODE, MODE_MASK = 0o555, 0o444, 0o777


def artifact_sources(artifacts: Iterable[Artifact]) -> tuple[str, ...]:
    """Where artifacts are, with the folder that is always one."""
    return PUBLISHED, *(artifact.source for artifact in artifacts)


@dataclass
class CollectedArtifacts:
    """An archive of all artifacts that were there, each at its own path, and the folders among them."""

    archive: IO[bytes]
    folders: tuple[str, ...]


class _TooLarge(Exception):
    """The artifacts exceed the total size."""


@contextlib.contextmanager
def collected_artifacts(container: Container, artifacts: Iterable[Artifact]) -> Iterator[CollectedArtifacts]:
    """Collect `/logs/artifacts` and the declared artifacts of a stopped container; what is missing is left out.

    Artifacts from the one that exceeds the total size on are left out too: the agent made them.

    Raises:
        InfraError, DiskFull: The machine failed.
    """
    wanted = [Artifact(PUBLISHED), *artifacts]
    with disk.convert_os_errors(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as spool:
        folders: list[str] = []
        with tarfile.open(fileobj=spool, mode="w|") as archive:
            budget = _Budget()
            with contextlib.suppress(_TooLarge):
                for artifact in wanted:
                    if _collect(container, artifact, archive, budget):
                        folders.append(artifact.source)
        spool.seek(0)
        yield CollectedArtifacts(spool, tuple(folders))


class _Budget:
    """What all artifacts together may still take."""

    def __init__(self) -> None:
        self.bytes, self.files = MAX_BYTES, MAX_FILES

    def take(self, size: int) -> None:
        self.bytes, self.files = self.bytes - size, self.files - 1
        if self.bytes < 0 or self.files < 0:
            raise _TooLarge


def _collect(container: Container, artifact: Artifact, archive: tarfile.TarFile, budget: _Budget) -> bool:
    """Copy one artifact into the archive, and return whether it is a folder. Of a link to a folder, that counts."""
    with engine_faults():
        chunks = _packed(container.service(artifact.service), artifact.source)
        if chunks is None:
            return False
        stream = cast("IO[bytes]", _Stream(chunks))
        with contextlib.suppress(tarfile.TarError), tarfile.open(fileobj=stream, mode="r|") as source:
            return _copy(source, archive, artifact, budget)
    return False


def _packed(container: Container, path: str) -> Iterable[bytes] | None:
    """What is at a path, packed by the engine; None if nothing is, or the agent left what can't be read there."""
    api = container.client.api
    try:
        chunks, facts = api.get_archive(container.id, path)
        if target := facts.get("linkTarget"):
            chunks, facts = api.get_archive(container.id, target)
            if not facts["mode"] & FOLDER:
                chunks.close()
                return None
    except NotFound:
        return None
    except APIError:
        # Links in a circle, or a file where a folder is expected: unless the engine can read nothing at all.
        readable, _ = api.get_archive(container.id, ALWAYS_THERE)
        readable.close()
        return None
    return cast("Iterable[bytes]", chunks)


def _copy(source: tarfile.TarFile, archive: tarfile.TarFile, artifact: Artifact, budget: _Budget) -> bool:
    target, is_folder = artifact.source.strip("/"), False
    for number, member in enumerate(source):
        within = PurePosixPath(member.name.partition("/")[2])
        is_folder |= number == 0 and member.isdir()
        if is_excluded(within, artifact.exclude) or not _is_plain(member, within):
            continue
        if f"/{target}/{within}" in ENGINE_FILES:
            continue
        content = source.extractfile(member) if member.isreg() else None
        budget.take(member.size if content else 0)
        archive.addfile(_placed(member, f"{target}/{within}" if within.parts else target), content)
    return is_folder


def is_excluded(path: PurePosixPath, patterns: Sequence[str]) -> bool:
    """Whether a path, or a folder above it, matches a pattern as tar's `--exclude` does: any part of it may."""
    parts = path.parts
    ends = ["/".join(parts[start:end]) for start in range(len(parts)) for end in range(start + 1, len(parts) + 1)]
    return any(fnmatch.fnmatchcase(part, pattern.strip("/")) for part in ends for pattern in patterns)


def _is_plain(member: tarfile.TarInfo, within: PurePosixPath) -> bool:
    """Whether it is a folder, a regular file, or a link to something in the same artifact."""
    if ".." in within.parts:
        return False
    if member.issym():
        target = posixpath.normpath(posixpath.join(within.parent.as_posix(), member.linkname))
        return not member.linkname.startswith("/") and not target.startswith("..") and bool(within.parts)
    return member.isdir() or member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)


def _placed(member: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    """The entry of the archive for a file at its new place: root's, readable by all, without special permissions."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mtime = member.type, member.linkname, member.mtime
    entry.size = member.size if member.isreg() else 0
    entry.mode = member.mode & MODE_MASK | (DIR_MODE if member.isdir() else FILE_MODE)
    return entry


class _Stream:
    """A stream of chunks as a file that can only be read on."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._rest = iter(chunks), b""

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        wanted = size
        while wanted > 0:
            self._rest = self._rest or next(self._chunks, b"")
            if not self._rest:
                break
            part, self._rest = self._rest[:wanted], self._rest[wanted:]
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)
