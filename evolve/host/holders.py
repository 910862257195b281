"""Which process holds a lock, as the kernel tells it. Nobody tries the lock: that would turn away a run that starts."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from evolve.host.platform import process_start

PROC = Path("/proc")
# A file's device and inode.
Identity = tuple[int, int]


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock: its id, and when it started, in clock ticks since boot. Both name one process."""

    pid: int
    started: int


def holder_of(path: Path) -> Holder | None:
    """The process that holds the lock of this file; None if there is none, or it is another user's."""
    return holders_of([path]).get(path)


def holders_of(paths: Iterable[Path]) -> dict[Path, Holder]:
    """The holders of those of these files that are locked."""
    files = {path: identity for path in paths if (identity := _identity(path)) is not None}
    known = _find_holders(frozenset(files.values())) if files else {}
    return {path: known[identity] for path, identity in files.items() if identity in known}


def _find_holders(files: Collection[Identity]) -> dict[Identity, Holder]:
    """The processes of this machine that hold a lock on one of these files."""
    found: dict[Identity, Holder] = {}
    for pid in _locking_processes():
        started = process_start(pid)
        if started is not None:
            found |= dict.fromkeys(_locked_files(pid, files), Holder(pid, started))
    return found


def _identity(path: Path | str) -> Identity | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _locking_processes() -> list[int]:
    """Processes with a lock on a whole file: the fifth word of lines like `1: FLOCK ADVISORY WRITE 123 ...`."""
    try:
        lines = (PROC / "locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    fields = (line.split() for line in lines)
    return sorted({int(words[4]) for words in fields if len(words) > 4 and words[1] == "FLOCK" and words[4].isdigit()})


def _locked_files(pid: int, files: Collection[Identity]) -> Iterator[Identity]:
    """Those of these files on which this process itself took a lock; a child that inherited one is not its holder."""
    folder = PROC / str(pid)
    try:
        descriptors = os.listdir(folder / "fd")
    except OSError:
        return
    for number in descriptors:
        identity = _identity(f"{folder}/fd/{number}")
        if identity is not None and identity in files and _is_locked(pid, folder / "fdinfo" / number):
            yield identity


def _is_locked(pid: int, description: Path) -> bool:
    try:
        lines = description.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    words = (line.split() for line in lines if line.startswith("lock:"))
    return any("FLOCK" in line and str(pid) in line for line in words)
