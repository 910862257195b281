"""Copying files into containers and out of them, as tar archives. What comes out is not trusted, and is bounded."""

from __future__ import annotations

import io
import os
import shlex
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evolve.core.errors import InfraError
from evolve.core.instances import FileContent
from evolve.sandbox.shell import ContainerShell

UNPACK_SECONDS = 60.0
COLLECT_SECONDS = 60.0
MAX_COLLECTED_BYTES = 4_000_000
MAX_COLLECTED_FILES = 500
CHUNK_BYTES = 60_000
COLLECTED_TAR = "/tmp/left.tar"
CACHE = "__pycache__"
SCRIPTS = ("test.sh", "solve.sh", "setup.sh")
# Missing files are left out, and unreadable ones, the folder itself included, are made readable first. No `--exclude`:
# tar's matching takes minutes in deeply nested folders.
COLLECT_COMMAND = (
    "chmod u+rwx -- {folder} 2>/dev/null; cd {folder} || exit 1; chmod -R u+rwX -- {names} 2>/dev/null; "
    "tar --hard-dereference -cf - -- {names} 2>/dev/null | head -c {most} >" + COLLECTED_TAR + "; "
    "wc -c <" + COLLECTED_TAR
)


@dataclass(frozen=True)
class CollectedFiles:
    """Files from a container: contents by path. `problem`: why they were rejected, in one line."""

    files: Mapping[str, bytes]
    problem: str = ""
    executable: frozenset[str] = frozenset()


class _Rejected(Exception):
    """The files may not be taken out of the container; the message says why."""


def pack(folder: Path, replaced: Mapping[str, FileContent] | None = None, follow: bool = False) -> bytes:
    """Pack a folder's files into a tar archive owned by root, keeping only the executable bit.

    A task's own scripts are executable in any case.
    Python's caches are left out: the installer of a wheel writes some beside the bundled tasks.

    Args:
        replaced: Files by path in the folder, which take the place of its own or are added.
        follow: Pack what links lead to, which must be checked before; otherwise links are left out.
    """
    own = {path.relative_to(folder).as_posix(): path for path in _files(folder, follow)}
    kept = {name: path for name, path in own.items() if name not in (replaced or {})}
    return pack_files({name: _read(path, name in SCRIPTS) for name, path in kept.items()} | dict(replaced or {}))


def _files(folder: Path, follow: bool) -> Iterator[Path]:
    """The regular files below a folder, perhaps by way of links; none that leads to a folder above it is taken."""
    for top, folders, names in os.walk(folder, followlinks=follow):
        here = Path(top).resolve()
        folders[:] = [
            name for name in folders if name != CACHE and not here.is_relative_to((Path(top) / name).resolve())
        ]
        paths = (Path(top) / name for name in names)
        yield from (path for path in paths if path.is_file() and (follow or not path.is_symlink()))


def _read(path: Path, is_script: bool) -> FileContent:
    return FileContent(path.read_bytes(), is_script or bool(path.stat().st_mode & 0o100))


def pack_files(files: Mapping[str, FileContent]) -> bytes:
    """Pack files by path into a tar archive owned by root."""
    ordered = sorted(files.items(), key=lambda item: PurePosixPath(item[0]))
    return _archive((path, file.data, 0o755 if file.executable else 0o644) for path, file in ordered)


def merge_archives(archives: Sequence[bytes]) -> bytes:
    """One tar archive of the files of several made here; a later one's file takes the place of an earlier one's."""
    if len(archives) == 1:
        return archives[0]
    files: dict[str, FileContent] = {}
    for archive in archives:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as opened:
            for member in opened:
                if (content := opened.extractfile(member)) is not None:
                    files[member.name] = FileContent(content.read(), bool(member.mode & 0o100))
    return pack_files(files)


def pack_folders(names: Sequence[str]) -> bytes:
    """Pack empty folders, writable by every user, into a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o777
            archive.addfile(member)
    return buffer.getvalue()


def pack_texts(files: Mapping[str, str]) -> bytes:
    """Pack texts by path into a tar archive."""
    return _archive((path, text.encode(), 0o644) for path, text in sorted(files.items()))


def _archive(files: Iterable[tuple[str, bytes, int]]) -> bytes:
    """Pack files, each given by path, content and mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data, mode in files:
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), mode
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def unpack(shell: ContainerShell, folder: Path, target: str) -> None:
    """Copy a host folder's files into `target` in the container, through the shell. Raises InfraError."""
    unpack_archive(shell, pack(folder), target)


def unpack_archive(shell: ContainerShell, archive: bytes, target: str) -> None:
    """Unpack a tar archive into `target` in the container, through the shell. Raises InfraError."""
    result = shell.run(f"tar -xf - -C {target}", timeout=UNPACK_SECONDS, stdin=archive)
    if result.exit_code != 0:
        raise InfraError(f"can't copy files into {target}: {result.stderr.decode(errors='replace')[:200]}")


def collect_files(shell: ContainerShell, folder: str, names: Sequence[str]) -> CollectedFiles:
    """Collect files and folders by name from a folder of the container.

    Only regular files are collected, and no link is followed. No hostile process may run next to the shell. Whatever
    makes them unreadable is a problem of the files: their owner left them so.

    Raises:
        InfraError: the machine lost the container.
    """
    fields = {
        "folder": shlex.quote(folder),
        "names": " ".join(map(shlex.quote, names)),
        "most": MAX_COLLECTED_BYTES + 1,
    }
    result = shell.run(COLLECT_COMMAND.format(**fields), timeout=COLLECT_SECONDS)
    if result.timed_out:
        return CollectedFiles({}, f"it can't be read within {COLLECT_SECONDS:g} seconds")
    if result.exit_code != 0 or not result.stdout.strip().isdigit():
        reason = " ".join(result.stderr.decode(errors="replace").split())[:200]
        return CollectedFiles({}, f"it can't be read: {reason or f'exit status {result.exit_code}'}")
    if (size := int(result.stdout)) > MAX_COLLECTED_BYTES:
        return CollectedFiles({}, f"it has more than {MAX_COLLECTED_BYTES} bytes")
    return read_archive(b"".join(_chunk(shell, number) for number in range(-(-size // CHUNK_BYTES))))


def _chunk(shell: ContainerShell, number: int) -> bytes:
    """Read one chunk of the archive; a shell's output would be cut if it were longer."""
    return shell.run(f"dd if={COLLECTED_TAR} bs={CHUNK_BYTES} skip={number} count=1 status=none").stdout


def read_archive(archive: bytes) -> CollectedFiles:
    """Read the regular files of an archive, within limits; otherwise say what is wrong with it."""
    try:
        members = list(_members(archive))
        executable = frozenset(name for name, _, is_executable in members if is_executable)
        return CollectedFiles({name: data for name, data, _ in members}, executable=executable)
    except _Rejected as error:
        return CollectedFiles({}, str(error))
    except (tarfile.TarError, ValueError, EOFError, OSError, RecursionError) as error:
        return CollectedFiles({}, f"it can't be read: {type(error).__name__}")


def _members(archive: bytes) -> Iterable[tuple[str, bytes, bool]]:
    """The regular files of an archive: name, content, and whether they are executable."""
    count = 0
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as opened:
        for member in opened:
            count += 1
            if count > MAX_COLLECTED_FILES:
                raise _Rejected(f"it has more than {MAX_COLLECTED_FILES} files and folders")
            if member.isdir() or CACHE in member.name.split("/"):
                continue
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                raise _Rejected(f"{_quote_path(member.name)} is no regular file")
            if member.size > len(archive):
                raise _Rejected(f"{_quote_path(member.name)} is larger than what was read")
            content = opened.extractfile(member)
            yield member.name, content.read() if content else b"", bool(member.mode & 0o100)


def _quote_path(path: str) -> str:
    return ascii(path)[:120]
