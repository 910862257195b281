"""Which process holds a lock, as the kernel tells it. Nobody tries the lock: that would turn away a run that starts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve.host.platform import process_start

PROC = Path("/proc")


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock: its id, and when it started, in clock ticks since boot. Both name one process."""

    pid: int
    started: int


def holder_of(path: Path) -> Holder | None:
    """The process that holds the lock of this file; None if there is none, or it is another user's."""
    return find_holders().get(_identity(path))


def find_holders() -> Mapping[tuple[int, int] | None, Holder]:
    """Every process of this machine that holds a lock on a whole file, by the file's device and inode."""
    found: dict[tuple[int, int] | None, Holder] = {}
    for pid in _locking_processes():
        started = process_start(pid)
        if started is not None:
            found |= dict.fromkeys(_locked_files(pid), Holder(pid, started))
    return found


def holders_of(paths: Iterable[Path]) -> dict[Path, Holder]:
    """The holders of those of these files that are locked."""
    known = find_holders()
    held = ((path, known.get(_identity(path))) for path in paths) if known else ()
    return {path: holder for path, holder in held if holder is not None}


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
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


def _locked_files(pid: int) -> Iterator[tuple[int, int]]:
    """The files on which this process itself took a lock; a child that inherited one is not its holder."""
    folder = PROC / str(pid)
    try:
        descriptors = os.listdir(folder / "fdinfo")
    except OSError:
        return
    for number in descriptors:
        try:
            lines = (folder / "fdinfo" / number).read_text(encoding="ascii", errors="replace").splitlines()
            words = [line.split() for line in lines if line.startswith("lock:")]
            if any("FLOCK" in line and str(pid) in line for line in words):
                status = (folder / "fd" / number).stat()
                yield status.st_dev, status.st_ino
        except OSError:
            continue
