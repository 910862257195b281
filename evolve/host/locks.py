"""One process at a time works on a run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from evolve.core.errors import Locked


@contextlib.contextmanager
def locked(path: Path, run: str, holder: Callable[[], str] = lambda: "another process") -> Iterator[None]:
    """The run's lock, held for as long as the context lasts. Raises Locked where another process holds it.

    holder: who that is, in words.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Locked(f"run {run}: {holder()} works on it; wait for it, or stop it") from error
    try:
        yield
    finally:
        lock.release()


def at_work(folder: Path) -> bool:
    """Whether a process works on the run of this folder now: whether its lock is held."""
    if not (folder / "lock").is_file():
        return False
    try:
        with locked(folder / "lock", folder.name):
            return False
    except Locked:
        return True
