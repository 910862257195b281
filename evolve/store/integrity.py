"""Inspect a database file without changing a byte of it, and read it even if its schema is older."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.host.temporary import temporary_folder
from evolve.store.database import newest_schema
from evolve.store.store import Store

SHOWN = 5
_TIMES = (
    ("run", "created_at"),
    ("round", "started_at"),
    ("trial", "started_at"),
    ("decision", "decided_at"),
    ("run_end", "ended_at"),
)


@dataclass(frozen=True)
class Integrity:
    """The state of a database file.

    Attributes:
        schema: Its schema revision.
        wanted: The schema revision of this version.
        journal: Its journal mode.
        problems: The problems that SQLite's own checks found, one line each.
        newest_time: The newest time in any row, ISO-8601 in UTC.
    """

    schema: str
    wanted: str
    journal: str
    problems: tuple[str, ...]
    newest_time: str | None

    @property
    def current(self) -> bool:
        """Whether opening the database would change nothing."""
        return self.schema == self.wanted and self.journal == "wal"


def inspect_database(file: Path, thorough: bool = False) -> Integrity:
    """Check a SQLite file. thorough: check every page and index, which takes a while for a large file.

    Raises:
        BadInput: The file is not a database, or too damaged to be read.
    """
    try:
        # `rw`, although nothing is written: a read-only connection leaves its `-wal` and `-shm` files behind.
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=60)) as connection:
            schema = _scalar(connection, "SELECT version_num FROM alembic_version") if _has_schema(connection) else ""
            return Integrity(
                schema=schema or "none",
                wanted=newest_schema(),
                journal=_scalar(connection, "PRAGMA journal_mode") or "",
                problems=tuple(_problems(connection, thorough)),
                newest_time=_newest_time(connection) if schema else None,
            )
    except sqlite3.Error as error:
        raise BadInput(
            str(file), f"can't be read: {error}", "restore it from a backup, or try `sqlite3 FILE .recover`"
        ) from error


def _has_schema(connection: sqlite3.Connection) -> bool:
    return bool(_scalar(connection, "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"))


def _scalar(connection: sqlite3.Connection, query: str) -> str | None:
    row = connection.execute(query).fetchone()
    return None if row is None or row[0] is None else str(row[0])


def _problems(connection: sqlite3.Connection, thorough: bool) -> Iterator[str]:
    check = "integrity_check" if thorough else "quick_check"
    lines = [str(row[0]) for row in connection.execute(f"PRAGMA {check}({SHOWN})")]
    yield from (line for line in lines if line != "ok")
    broken = connection.execute("PRAGMA foreign_key_check").fetchmany(SHOWN)
    yield from (f"row {row} of {table} refers to a missing row of {parent}" for table, row, parent, _ in broken)


def _newest_time(connection: sqlite3.Connection) -> str | None:
    times = [_scalar(connection, f"SELECT max({column}) FROM {table}") for table, column in _TIMES]
    return max((time for time in times if time), default=None)


def copy_database(file: Path, target: Path) -> None:
    """Make a consistent copy, even while another process writes."""
    with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


@contextmanager
def open_unchanged(file: Path, health: Integrity) -> Iterator[Store]:
    """Open a database without changing it: if opening would change it, a copy is opened instead."""
    if health.current:
        with Store.open(file) as store:
            yield store
        return
    with temporary_folder("copy") as folder:
        copy = folder / file.name
        copy_database(file, copy)
        try:
            store = Store.open(copy)
        except BadInput as error:
            raise BadInput(str(file), error.problem, error.fix) from error
        with store:
            yield store
