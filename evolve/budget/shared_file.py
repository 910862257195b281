"""A small SQLite file that all processes of a run write to; it survives the death of processes, not of the machine."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock

from evolve.host import disk

BUSY_SECONDS = 60.0
# The database of the results is the durable record.
SETTINGS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF")


def open_shared(path: Path, tables: Iterable[str] = ()) -> sqlite3.Connection:
    """Open the file, and create its tables if it is new. Raises sqlite3.Error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # SQLite does not wait where two processes change the journal's mode at once: it fails.
    with FileLock(f"{path}.lock"):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for line in (*SETTINGS, *tables):
            connection.execute(line)
    return connection


@contextlib.contextmanager
def raising_infra_errors(path: Path) -> Iterator[None]:
    """Raise DiskFull or InfraError for what SQLite reports of the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise disk.sqlite_error(path, str(error)) from error
