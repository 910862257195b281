"""A folder of a container, or its artifacts, as a compressed file on the host, and back: the host never unpacks it."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from evolve.core.errors import InfraError
from evolve.sandbox.artifacts import CollectedArtifacts
from evolve.sandbox.container import Container
from evolve.sandbox.exit_cause import engine_faults

# Of one folder, not compressed.
MAX_BYTES = 256_000_000
CHUNK_BYTES = 1_000_000
KINDS = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)


def pack_folder(container: Container, folder: str) -> bytes | None:
    """The folder of a running container as a compressed tar archive; None if it is too large.

    The engine reads it, so no mode keeps a file out of it. Raises InfraError.
    """
    packer, packed, total = zlib.compressobj(1, wbits=31), [], 0
    with engine_faults():
        stream, _ = container.client.api.get_archive(container.id, folder)
        for chunk in stream:
            total += len(chunk)
            if total > MAX_BYTES:
                return None
            packed.append(packer.compress(chunk))
    return b"".join([*packed, packer.flush()])


def unpack_folder(container: Container, folder: str, archive: bytes, user: str) -> None:
    """Put what `pack_folder` made into a folder of a container that is mounted there; all of it belongs to `user`.

    Raises:
        InfraError: The machine failed, or the archive can't be read.
    """
    uid, _, gid = user.partition(":")
    with tempfile.TemporaryFile() as file:
        with readable(), tarfile.open(fileobj=file, mode="w") as rewritten:
            for member, content in _members(archive):
                member.uid, member.gid, member.uname, member.gname = int(uid), int(gid), "", ""
                rewritten.addfile(member, content)
        file.seek(0)
        with engine_faults():
            container.client.api.put_archive(container.id, folder, file)


def pack_artifacts(artifacts: CollectedArtifacts) -> bytes | None:
    """Artifacts as a compressed tar archive; None if they are too large."""
    packer, packed, total = zlib.compressobj(1, wbits=31), [], 0
    while chunk := artifacts.archive.read(CHUNK_BYTES):
        total += len(chunk)
        if total > MAX_BYTES:
            return None
        packed.append(packer.compress(chunk))
    return b"".join([*packed, packer.flush()])


@contextlib.contextmanager
def kept_artifacts(archive: bytes, sources: Iterable[str]) -> Iterator[CollectedArtifacts]:
    """What `pack_artifacts` made, as it was collected.

    Args:
        sources: Where the artifacts were, of which some may be folders.

    Raises:
        InfraError: The archive can't be read.
    """
    with readable():
        data = bounded(archive)
        with tarfile.open(fileobj=data) as opened:
            folders = {member.name for member in opened if member.isdir()}
        data.seek(0)
    yield CollectedArtifacts(data, tuple(source for source in sources if source.strip("/") in folders))


def _members(archive: bytes) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """The archive's members without the name of the folder in front. Raises ValueError for what no folder has."""
    with tarfile.open(fileobj=bounded(archive), mode="r|") as opened:
        for member in opened:
            if member.type not in KINDS:
                raise ValueError(f"a special file: {ascii(member.name)[:120]}")
            member.name = _below(member.name)
            if member.islnk():
                member.linkname = _below(member.linkname)
            yield member, opened.extractfile(member) if member.isreg() else None


def _below(name: str) -> str:
    """The path below the first folder of a path."""
    return name.partition("/")[2] or "."


def bounded(archive: bytes) -> IO[bytes]:
    """A compressed archive as a file that is not compressed. Raises ValueError if it is too large."""
    data = gzip.GzipFile(fileobj=io.BytesIO(archive)).read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError("it is too large")
    return io.BytesIO(data)


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """Convert errors of an archive that can't be read to InfraError."""
    try:
        yield
    except (tarfile.TarError, ValueError, EOFError, OSError, zlib.error) as error:
        raise InfraError(f"a kept state can't be read: {type(error).__name__}: {error}") from error


def total_bytes(files: Iterable[Path]) -> int:
    """The size of files together; one that is gone has none."""
    total = 0
    for file in files:
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total
