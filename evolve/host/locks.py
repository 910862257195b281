"""Locks: only one process works on a run at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from evolve.core.errors import Locked


@contextlib.contextmanager
def hold_lock(path: Path, run: str, holder: Callable[[], str] = lambda: "another process") -> Iterator[None]:
    """Hold the run's lock while the context lasts.

    Args:
        path: The lock file.
        run: The run's name, for the error.
        holder: Describes the process that holds the lock, for the error.

    Raises:
        Locked: another process holds it.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Locked(f"run {run}: {holder()} is working on it; wait for it, or stop it") from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def taking_turns(path: Path, seconds: float) -> Iterator[None]:
    """Wait until no other process does the same work, at most so many seconds: it may then be done twice."""
    lock = FileLock(path)
    with contextlib.suppress(Timeout):
        lock.acquire(timeout=seconds)
    try:
        yield
    finally:
        held = lock.is_locked
        lock.release()
        if held:
            path.unlink(missing_ok=True)


def is_locked(folder: Path) -> bool:
    """Whether a process is working on the run of this folder, and so holds its lock."""
    if not (folder / "lock").is_file():
        return False
    try:
        with hold_lock(folder / "lock", folder.name):
            return False
    except Locked:
        return True
