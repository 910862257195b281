"""Files into containers and out of them, as tar archives: what goes in is ours, what comes out is bounded."""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import InfraError
from evolve.sandbox.shell import ContainerShell

UNPACK_SECONDS = 60.0
COLLECT_SECONDS = 60.0
MAX_LEFT_BYTES = 4_000_000
MAX_LEFT_FILES = 500
CHUNK_BYTES = 60_000
LEFT = "/tmp/left.tar"
CACHE = "__pycache__"
# What is not there is not in the archive; what its owner can't read is made readable first. No `--exclude`: tar's
# matching takes minutes where folders are nested deeply.
COLLECT = (
    "cd {folder} || exit 1; chmod -R u+rwX -- {names} 2>/dev/null; "
    "tar --hard-dereference -cf - -- {names} 2>/dev/null | head -c {most} >" + LEFT + "; "
    "wc -c <" + LEFT
)


@dataclass(frozen=True)
class Left:
    """What was found of the named files and folders: bytes by path. `problem`: why they were not taken, in one line."""

    files: Mapping[str, bytes]
    problem: str = ""


class _Untaken(Exception):
    """What was left is not what may be taken out; the text says why."""


def pack(folder: Path) -> bytes:
    """A folder's regular files as a tar archive owned by root, keeping only the executable bit.

    Python's caches are left out: the installer of a wheel writes some beside the bundled tasks.
    """
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    paths = sorted(path for path in files if CACHE not in path.relative_to(folder).parts)
    return _archive(
        (path.relative_to(folder).as_posix(), path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)
        for path in paths
    )


def pack_texts(files: Mapping[str, str]) -> bytes:
    """Texts by path as a tar archive."""
    return _archive((path, text.encode(), 0o644) for path, text in sorted(files.items()))


def _archive(files: Iterable[tuple[str, bytes, int]]) -> bytes:
    """files: path, content and mode of each."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data, mode in files:
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), mode
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def unpack(shell: ContainerShell, folder: Path, target: str) -> None:
    """Put a host folder's files into `target` in the container, through the shell. Raises InfraError."""
    unpack_archive(shell, pack(folder), target)


def unpack_archive(shell: ContainerShell, archive: bytes, target: str) -> None:
    """The same with what is packed already."""
    done = shell.run(f"tar -xf - -C {target}", timeout=UNPACK_SECONDS, stdin=archive)
    if done.exit_code != 0:
        raise InfraError(f"files could not be put into {target}: {done.stderr.decode(errors='replace')[:200]}")


def take_out(shell: ContainerShell, folder: str, names: Sequence[str]) -> Left:
    """What lies under these names in a folder of the container, by a shell that nothing hostile runs beside.

    Regular files only; no link is followed. Raises InfraError where the container fails.
    """
    words = {"folder": shlex.quote(folder), "names": " ".join(map(shlex.quote, names)), "most": MAX_LEFT_BYTES + 1}
    done = shell.run(COLLECT.format(**words), timeout=COLLECT_SECONDS)
    if done.timed_out:
        return Left({}, f"it can't be read within {COLLECT_SECONDS:g} seconds")
    if done.exit_code != 0 or not done.stdout.strip().isdigit():
        raise InfraError(f"what was left in {folder} could not be read: {done.stderr.decode(errors='replace')[:200]}")
    if (size := int(done.stdout)) > MAX_LEFT_BYTES:
        return Left({}, f"it has more than {MAX_LEFT_BYTES} bytes")
    return left_in(b"".join(_chunk(shell, number) for number in range(-(-size // CHUNK_BYTES))))


def _chunk(shell: ContainerShell, number: int) -> bytes:
    """A shell's output is cut beyond some length."""
    return shell.run(f"dd if={LEFT} bs={CHUNK_BYTES} skip={number} count=1 status=none").stdout


def left_in(archive: bytes) -> Left:
    """The regular files of an archive, within bounds; or what is wrong with it."""
    try:
        return Left(dict(_members(archive)))
    except _Untaken as error:
        return Left({}, str(error))
    except (tarfile.TarError, ValueError, EOFError, OSError, RecursionError) as error:
        return Left({}, f"it can't be read: {type(error).__name__}")


def _members(archive: bytes) -> Iterable[tuple[str, bytes]]:
    count = 0
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as opened:
        for member in opened:
            count += 1
            if count > MAX_LEFT_FILES:
                raise _Untaken(f"it has more than {MAX_LEFT_FILES} files and folders")
            if member.isdir() or CACHE in member.name.split("/"):
                continue
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                raise _Untaken(f"{_named(member.name)} is no regular file")
            if member.size > len(archive):
                raise _Untaken(f"{_named(member.name)} is larger than what was read")
            content = opened.extractfile(member)
            yield member.name, content.read() if content else b""


def _named(path: str) -> str:
    return ascii(path)[:120]
