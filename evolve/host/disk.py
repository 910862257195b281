"""Disk space: recognising that the disk is full, and writing files completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from evolve.core.errors import BadInput, DiskFull, InfraError
from evolve.host.temporary import is_abandoned, process_mark

MIN_FREE_BYTES = 200 * 1024 * 1024
# If less is free, a write that failed without a reason failed because the disk is full.
FULL_BELOW_BYTES = 256 * 1024
FULL_DISK_PHRASES = ("no space left on device", "disk quota exceeded")
# What to do about a path that the system refuses, by its error.
PATH_FIXES = {
    errno.EACCES: "give this user the right to use it, or name another place",
    errno.EPERM: "give this user the right to use it, or name another place",
    errno.EROFS: "name a place on a file system that can be written",
    errno.ENOTDIR: "a file is where a folder should be: name another place",
    errno.EISDIR: "a folder is where a file should be: name another place",
    errno.ENAMETOOLONG: "name a place with a shorter name",
    errno.ELOOP: "correct the link",
}
# The end of the name of a file that is being written.
PART = ".part"
FREE_SPACE_HINT = "free some space, then run the same command again"


def is_full_disk_error(error: BaseException) -> bool:
    """Whether a system error means that the disk is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def refused_path(error: BaseException) -> BadInput | None:
    """The error for a path that the user named and that can't be used as it is; None if this is something else."""
    if not isinstance(error, OSError) or error.errno not in PATH_FIXES or error.filename is None:
        return None
    reason = error.strerror or os.strerror(error.errno)
    return BadInput(os.fsdecode(error.filename), reason[:1].lower() + reason[1:], PATH_FIXES[error.errno])


def mentions_full_disk(text: str) -> bool:
    """Whether another program's message means that the disk is full."""
    return any(phrase in text.lower() for phrase in FULL_DISK_PHRASES)


def free_bytes(path: Path) -> int:
    """The free space of the file system that holds `path`, which need not exist; 0 if it has no inodes left."""
    status = os.statvfs(_nearest_existing(path))
    return 0 if status.f_files and not status.f_favail else status.f_bavail * status.f_frsize


def is_full(path: Path) -> bool:
    """Whether the file system that holds `path` has practically no space left."""
    return free_bytes(path) < FULL_BELOW_BYTES


def disk_full_error(path: Path, problem: str) -> DiskFull:
    """The error for a full disk; it names the file system that holds `path`."""
    mount = _nearest_existing(path).resolve()
    while not os.path.ismount(mount):
        mount = mount.parent
    return DiskFull(f"no space left on {mount}: {problem}; {FREE_SPACE_HINT}")


def sqlite_error(path: Path, message: str) -> InfraError:
    """The error for a database file that SQLite can't read or write; its message need not mention a full disk."""
    if "disk is full" in message or is_full(path):
        return disk_full_error(path, f"{path}: {message}")
    return InfraError(f"{path}: {message}")


def check_free_space(paths: Iterable[Path], min_bytes: int = MIN_FREE_BYTES) -> None:
    """Raise DiskFull if less is free: better now than in the middle of an operation."""
    for path in paths:
        if (free := free_bytes(path)) < min_bytes:
            raise disk_full_error(path, f"{free // 2**20} MB are free, {min_bytes // 2**20} MB are needed")


@contextlib.contextmanager
def convert_os_errors(path: Path) -> Iterator[None]:
    """Raise DiskFull in place of a system error that means that the disk is full."""
    try:
        yield
    except OSError as error:
        if not is_full_disk_error(error):
            raise
        written = Path(error.filename) if isinstance(error.filename, str) else path
        raise disk_full_error(written, f"{written} can't be written") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it has all of `data` or stays as it was, even after a loss of power.

    Raises:
        DiskFull, OSError: it can't be written.
    """
    temporary = path.with_name(f"{path.name}.{process_mark()}.{threading.get_ident():x}{PART}")
    with convert_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)


def sweep_parts(folders: Iterable[Path]) -> None:
    """Remove what killed processes had not finished writing in these folders."""
    for path in [path for folder in folders if folder.is_dir() for path in folder.glob(f"*{PART}")]:
        if is_abandoned(path):
            path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Write the folder's list of names to the disk, so that a new name survives a loss of power."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _nearest_existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(candidate for candidate in (path, *path.absolute().parents) if candidate.exists())
