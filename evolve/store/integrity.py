"""How a database file is, looked at without changing a byte of it, and read as it is even where its schema is older."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput
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
    """`problems`: what SQLite's own checks say, a line each; `newest_time`: of any row, ISO-8601 in UTC."""

    schema: str
    wanted: str
    journal: str
    problems: tuple[str, ...]
    newest_time: str | None

    @property
    def current(self) -> bool:
        """Whether opening it changes nothing."""
        return self.schema == self.wanted and self.journal == "wal"


def inspect_database(file: Path, thorough: bool = False) -> Integrity:
    """A SQLite file's state. thorough: every page and index in full, which takes a while for a large file.

    Raises BadInput for a file that is no database, or is damaged so much that it can't be read.
    """
    try:
        # `rw`, though nothing is written: a reader that may not write leaves its `-wal` and `-shm` behind.
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=60)) as connection:
            schema = _one(connection, "SELECT version_num FROM alembic_version") if _has_schema(connection) else ""
            return Integrity(
                schema=schema or "none",
                wanted=newest_schema(),
                journal=_one(connection, "PRAGMA journal_mode") or "",
                problems=tuple(_problems(connection, thorough)),
                newest_time=_newest(connection) if schema else None,
            )
    except sqlite3.Error as error:
        raise BadInput(
            str(file), f"can't be read: {error}", "restore it from a backup, or try `sqlite3 FILE .recover`"
        ) from error


def _has_schema(connection: sqlite3.Connection) -> bool:
    return bool(_one(connection, "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"))


def _one(connection: sqlite3.Connection, query: str) -> str | None:
    row = connection.execute(query).fetchone()
    return None if row is None or row[0] is None else str(row[0])


def _problems(connection: sqlite3.Connection, thorough: bool) -> Iterator[str]:
    check = "integrity_check" if thorough else "quick_check"
    found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}({SHOWN})")]
    yield from (line for line in found if line != "ok")
    broken = connection.execute("PRAGMA foreign_key_check").fetchmany(SHOWN)
    yield from (
        f"row {row} of {table} refers to a row of {parent} that is not there" for table, row, parent, _ in broken
    )


def _newest(connection: sqlite3.Connection) -> str | None:
    found = [_one(connection, f"SELECT max({column}) FROM {table}") for table, column in _TIMES]
    return max((moment for moment in found if moment), default=None)


def copy_database(file: Path, target: Path) -> None:
    """A consistent copy, also while another process writes."""
    with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


@contextmanager
def open_unchanged(file: Path, health: Integrity) -> Iterator[Store]:
    """The store of a database that stays as it is: one that opening would change is read in a copy."""
    if health.current:
        with Store.open(file) as store:
            yield store
        return
    with tempfile.TemporaryDirectory(prefix="evolve-copy-") as folder:
        copied = Path(folder) / file.name
        copy_database(file, copied)
        with Store.open(copied) as store:
            yield store
