"""What differs between a container's file system and its image, as a compressed file on the host, and back."""

from __future__ import annotations

import contextlib
import io
import shlex
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from evolve.core.task_format import ENGINE_FILES, KERNEL_FOLDERS
from evolve.sandbox import kept
from evolve.sandbox.container import Container
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.inside import ROOT

# As the engine numbers them.
DELETED = 2
# The first member of the archive, whatever the container has under that name.
REMOVED = ".evolve-removed"
# What the engine says in place of bytes that are no UTF-8.
UNREADABLE = "\ufffd"
# Paths in one command that removes them.
AT_ONCE = 200
REMOVE_SECONDS = 60.0


def pack_changes(container: Container) -> bytes | None:
    """All that was changed in a container since its image, as a compressed tar archive. Raises InfraError.

    Returns:
        None if it is too large, if a name is not UTF-8, or if the container has volumes, which are no part of it.
    """
    api = container.client.api
    with engine_faults():
        if any(mount["Type"] == "volume" for mount in api.inspect_container(container.id)["Mounts"]):
            return None
        changes: list[dict[str, Any]] = [one for one in api.diff(container.id) or [] if not _is_engines(one["Path"])]
        if any(UNREADABLE in one["Path"] for one in changes):
            return None
        removed = [one["Path"] for one in changes if one["Kind"] == DELETED]
        paths = {one["Path"].strip("/") for one in changes if one["Kind"] != DELETED}
        with tempfile.TemporaryFile() as file, contextlib.closing(api.export(container.id)) as stream:
            chunks = iter(stream)
            if not _filtered(file, chunks, paths, removed):
                return None
            file.seek(0)
            return _compressed(file)


def unpack_changes(container: Container, archive: bytes) -> None:
    """Change a running container, in which nothing but its image is, as `pack_changes` found another one.

    Raises:
        InfraError: The machine failed, or the archive can't be read.
    """
    with kept.readable():
        data = kept.bounded(archive)
        with tarfile.open(fileobj=data) as opened:
            first = opened.next()
            content = opened.extractfile(first) if first is not None and first.name == REMOVED else None
            if content is None:
                raise ValueError("it doesn't begin with what was removed")
            removed = [path for path in content.read().decode("utf-8", "surrogateescape").split("\0") if path]
            start = opened.offset
    with contextlib.closing(container.shell(ROOT, "/")) as shell:
        for some in (removed[at : at + AT_ONCE] for at in range(0, len(removed), AT_ONCE)):
            shell.run(f"rm -rf -- {shlex.join(some)}", timeout=REMOVE_SECONDS)
    data.seek(start)
    with engine_faults():
        container.client.api.put_archive(container.id, "/", data)


def _is_engines(path: str) -> bool:
    """Whether a path is the engine's or the kernel's in every container."""
    return path in ENGINE_FILES or f"{path}/".startswith(tuple(f"{one}/" for one in KERNEL_FOLDERS))


def _filtered(file: Any, chunks: Iterator[bytes], paths: set[str], removed: Iterable[str]) -> bool:
    """Write the members of a file system's archive that were changed; returns whether there is room for them."""
    with tarfile.open(fileobj=file, mode="w") as made, tarfile.open(fileobj=_Stream(chunks), mode="r|") as whole:
        names = "\0".join(removed).encode("utf-8", "surrogateescape")
        head = tarfile.TarInfo(REMOVED)
        head.size = len(names)
        made.addfile(head, io.BytesIO(names))
        for member in whole:
            if member.name.strip("/") not in paths:
                continue
            if made.offset + member.size > kept.MAX_BYTES:
                return False
            made.addfile(member, whole.extractfile(member) if member.isreg() else None)
    return True


def _compressed(file: Any) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(chunk) for chunk in iter(lambda: file.read(kept.CHUNK_BYTES), b"")]
    return b"".join([*parts, packer.flush()])


class _Stream(io.RawIOBase):
    """Chunks of bytes as a file to read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
