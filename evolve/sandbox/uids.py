"""The user ids of trials: each trial that runs has one of its own, which no other trial on this host has.

The kernel counts much by user, across containers: inotify instances and watches, pages in pipes, pending signals,
descriptors in flight. Two trials with one user could starve each other, or talk by what they use up.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import InfraError
from evolve.host import disk
from evolve.host.platform import seconds_since_boot

# Below 65 536: rootless engines, and those with user namespaces, map no more ids than that.
FIRST, COUNT = 20_000, 40_000
LAST = FIRST + COUNT - 1
NAME = "evolve-uids"
# A mark that a dead process left behind counts this long: its trial's containers may still run.
MARK_SECONDS = 86_400.0
MARK = struct.Struct("<d")
NO_MARK = b"\0" * 8
# F_OFD_SETLK and its `struct flock`. The number is written out: macOS has none, and this module is imported there.
SET_LOCK, LOCK = 37, struct.Struct("@hhqqi0q")


class UidTable:
    """One file for all processes of this host: a locked byte for each id in use, and when its mark expires.

    The kernel releases the locks of a process that dies; the mark stays, because its containers may live on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = _open_shared(path)

    def reserve(self, wanted: int) -> ReservedUid:
        """Reserve an id: the one that `wanted` stands for, or the next that is free.

        Args:
            wanted: Any number that is not negative; equal ones stand for the same id.

        Raises:
            DiskFull, InfraError: the file can't be written, or all ids are in use.
        """
        with self._faults():
            for step in range(COUNT):
                if self._take(slot := (wanted + step) % COUNT):
                    return ReservedUid(FIRST + slot, self)
        raise InfraError(f"all {COUNT} user ids for trials are in use; {self._path} lists them")

    def release(self, uid: int, keep_mark: bool) -> None:
        """Release an id. `keep_mark`: something still uses it, so nobody gets it for MARK_SECONDS."""
        slot = uid - FIRST
        with self._faults():
            if not keep_mark:
                os.pwrite(self._number, NO_MARK, slot * MARK.size)
            self._set_lock(fcntl.F_UNLCK, slot)

    def _take(self, slot: int) -> bool:
        try:
            self._set_lock(fcntl.F_WRLCK, slot)
        except (BlockingIOError, PermissionError):
            return False
        (expires,) = MARK.unpack(os.pread(self._number, MARK.size, slot * MARK.size) or NO_MARK)
        now = seconds_since_boot()
        # A mark that lies further ahead was made before a reboot.
        if now < expires <= now + MARK_SECONDS:
            self._set_lock(fcntl.F_UNLCK, slot)
            return False
        os.pwrite(self._number, MARK.pack(now + MARK_SECONDS), slot * MARK.size)
        return True

    def _set_lock(self, kind: int, slot: int) -> None:
        """Lock or unlock a byte for this open file. Locks of a process would not keep its threads apart."""
        fcntl.fcntl(self._number, SET_LOCK, LOCK.pack(kind, os.SEEK_SET, slot, 1, 0))

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            problem = f"user ids for trials can't be reserved in {self._path}: {error.strerror}"
            if disk.is_full_disk_error(error):
                raise disk.disk_full_error(self._path, problem) from error
            raise InfraError(problem) from error


@dataclass
class ReservedUid:
    """A user id that its holder alone has until `release`, which may be called twice."""

    number: int
    table: UidTable
    released: bool = False

    def release(self, keep_mark: bool = False) -> None:
        if not self.released:
            self.released = True
            self.table.release(self.number, keep_mark)


@functools.lru_cache(maxsize=1)
def uid_table() -> UidTable:
    """The table of this host. Raises InfraError."""
    shared = Path("/dev/shm")
    return UidTable((shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())) / NAME)


def _open_shared(path: Path) -> int:
    """Open a file that all users of this host may write, and never one that a link points to. Raises InfraError."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, flags)
        with contextlib.suppress(FileExistsError):
            number = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(number, 0o666)
            return number
        return os.open(path, flags)
    except OSError as error:
        raise InfraError(f"{path} can't be opened: {error.strerror}") from error
