"""Room on the disk: what it means that there is none, and files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from evolve.core.errors import DiskFull, InfraError

LEAST_BYTES = 200 * 1024 * 1024
# With less than this a write that failed, and did not say why, failed for want of room.
NOTHING_BYTES = 256 * 1024
SAID = ("no space left on device", "disk quota exceeded")


def is_no_room(error: BaseException) -> bool:
    """Whether an error of the system's means that there is no room."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def says_no_room(text: str) -> bool:
    """Whether another program's words mean that there is no room."""
    return any(words in text.lower() for words in SAID)


def free_bytes(place: Path) -> int:
    """Of the file system that holds `place`, which need not be there yet; 0 where no file can be made any more."""
    found = os.statvfs(_present(place))
    return 0 if found.f_files and not found.f_favail else found.f_bavail * found.f_frsize


def is_out(place: Path) -> bool:
    """Whether there is no room to speak of."""
    return free_bytes(place) < NOTHING_BYTES


def disk_full(place: Path, problem: str) -> DiskFull:
    """The one line about it, which names the file system."""
    disk = _present(place).resolve()
    while not os.path.ismount(disk):
        disk = disk.parent
    return DiskFull(f"no room on {disk}: {problem}; make room, and run the same command again")


def sqlite_failure(file: Path, words: str) -> InfraError:
    """What it means that SQLite can't read or write its file: it does not always say that there is no room."""
    if "disk is full" in words or is_out(file):
        return disk_full(file, f"{file}: {words}")
    return InfraError(f"{file}: {words}")


def check(places: Iterable[Path], least_bytes: int = LEAST_BYTES) -> None:
    """Raise DiskFull where less than that is free: better now than in the middle of something."""
    for place in places:
        if (free := free_bytes(place)) < least_bytes:
            raise disk_full(place, f"{free // 2**20} MB are free, {least_bytes // 2**20} MB are wanted")


@contextlib.contextmanager
def told(place: Path) -> Iterator[None]:
    """An error of the system's that means that there is no room is DiskFull."""
    try:
        yield
    except OSError as error:
        if not is_no_room(error):
            raise
        where = Path(error.filename) if isinstance(error.filename, str) else place
        raise disk_full(where, f"{where} can't be written") from error


def write_whole(path: Path, data: bytes) -> None:
    """The file is there with all of it, even after a loss of power, or as it was before. Raises DiskFull, OSError."""
    temporary = path.with_name(path.name + ".part")
    with told(path):
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


def _sync_folder(folder: Path) -> None:
    """So that a name in it outlives a loss of power."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _present(place: Path) -> Path:
    """The place itself, or the nearest folder above it that is there."""
    return next(one for one in (place, *place.absolute().parents) if one.exists())
