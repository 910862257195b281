"""The file in which all processes of a run count their spending until it is a row of the database.

It lives as long as a session: the spending of a killed process stays in it. What such a process had reserved is charged
in full as soon as another one reserves something or the run asks for it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evolve.budget.shared_file import open_shared, raising_infra_errors
from evolve.core.caps import Caps, has_room
from evolve.core.plausible import PlausibleSum
from evolve.core.records import Usage
from evolve.host.platform import process_start

TABLES = (
    "CREATE TABLE IF NOT EXISTS hold (id INTEGER PRIMARY KEY, what TEXT, prompt INTEGER, completion INTEGER, usd REAL)",
    "CREATE TABLE IF NOT EXISTS spent "
    "(what TEXT PRIMARY KEY, calls INTEGER, prompt INTEGER, completion INTEGER, usd REAL)",
)
# Columns that a file of an earlier version lacks. `pid` and `started`: the process that made the reservation.
ADDED = {
    "hold": ("pid INTEGER", "started INTEGER"),
    "spent": ("cached INTEGER DEFAULT 0", "written INTEGER DEFAULT 0"),
}
COLUMNS = ("calls", "prompt", "completion", "usd", "cached", "written")
INTO_SPENT = f"INSERT INTO spent (what, {', '.join(COLUMNS)})"
ADDING = f"ON CONFLICT (what) DO UPDATE SET {', '.join(f'{name} = {name} + excluded.{name}' for name in COLUMNS)}"
ADD = f"{INTO_SPENT} VALUES (?, ?, ?, ?, ?, ?, ?) {ADDING}"
SUMS = f"SELECT {', '.join(f'coalesce(sum({name}), 0)' for name in COLUMNS)}"
HELD = "(SELECT what, pid, started, 1 AS calls, prompt, completion, usd, 0 AS cached, 0 AS written FROM hold)"
TOTALS = ", ".join(f"sum({name})" for name in COLUMNS)
HOLDER = "pid = ? AND started IS ?"
CHARGE = f"{INTO_SPENT} SELECT what, {TOTALS} FROM {HELD} WHERE {HOLDER} GROUP BY what {ADDING}"
# Spending that has a row in the database is summed under this empty name.
BOOKED = ""


@dataclass(frozen=True)
class SpendingFile:
    """A session's spending file, with the run's caps and the usage of earlier sessions; passed to every process.

    ends: the session's deadline on the monotonic clock, which the processes of a machine share; None: no deadline.
    """

    path: Path
    caps: Caps = field(default_factory=Caps)
    before: Usage = field(default_factory=Usage)
    ends: float | None = None


class Ledger:
    """One process's view of the spending file, shared by its threads. Raises InfraError if the file can't be used."""

    def __init__(self, terms: SpendingFile) -> None:
        self.terms = terms
        self._lock = threading.Lock()
        with raising_infra_errors(terms.path):
            self._db = open_shared(terms.path)
            self._db.create_aggregate("sum", 1, PlausibleSum)
        with self._transaction() as db:
            _make_tables(db)

    def close(self) -> None:
        self._db.close()

    def reserve(self, what: str, most: Usage) -> int | None:
        """Reserve room for a call that uses at most `most`.

        Returns:
            The id of the hold; None while calls in progress may use up the rest of the budget.

        Raises:
            LookupError: The budget is spent.
        """
        pid = os.getpid()
        with self._transaction() as db:
            _charge_dead(db)
            may_begin = has_room(self.terms.caps, self._sum(db, "spent"), self._sum(db, HELD, before=False), most)
            if may_begin is False:
                raise LookupError("the budget is spent")
            if may_begin is None:
                return None
            values = (what, most.prompt_tokens, most.completion_tokens, most.cost_usd, pid, process_start(pid))
            query = "INSERT INTO hold (what, prompt, completion, usd, pid, started) VALUES (?, ?, ?, ?, ?, ?)"
            return db.execute(query, values).lastrowid

    def settle(self, hold: int, spent: Usage) -> None:
        """Replace a hold with the actual usage of its call; nothing is done if the hold has been charged in full."""
        with self._transaction() as db:
            if row := db.execute("DELETE FROM hold WHERE id = ? RETURNING what", (hold,)).fetchone():
                db.execute(ADD, (row[0], *_amounts(spent)))

    def charge_dead(self, what: str, pid: int) -> Usage:
        """Charge all that a process has reserved, which was killed while it worked on `what`.

        Returns:
            All that was spent on `what` and is in no row of the database.
        """
        with self._transaction() as db:
            _charge_dead(db, killed=pid)
            return _usage(db.execute(f"{SUMS} FROM spent WHERE what = ?", (what,)).fetchone())

    def book(self, what: str, usage: Usage) -> None:
        """Mark the spending on `what` as stored in the database, whose figure `usage` replaces the file's."""
        with self._transaction() as db:
            db.execute("DELETE FROM spent WHERE what = ?", (what,))
            db.execute(ADD, (BOOKED, *_amounts(usage)))

    def spent(self) -> Usage:
        """The run's usage so far, earlier sessions included."""
        with self._transaction() as db:
            _charge_dead(db)
            return self._sum(db, "spent")

    def unbooked(self) -> dict[str, Usage]:
        """The usage that is in no row of the database, by purpose; calls that never ended count with their maximum."""
        columns = ", ".join(COLUMNS)
        query = (
            f"SELECT what, {TOTALS} FROM "
            f"(SELECT what, {columns} FROM spent UNION ALL SELECT what, {columns} FROM {HELD}) "
            "WHERE what <> ? GROUP BY what ORDER BY what"
        )
        with self._transaction() as db:
            return {what: _usage(amounts) for what, *amounts in db.execute(query, (BOOKED,))}

    def _sum(self, db: sqlite3.Connection, source: str, before: bool = True) -> Usage:
        total = _usage(db.execute(f"{SUMS} FROM {source}").fetchone())
        return self.terms.before + total if before else total

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, raising_infra_errors(self.terms.path):
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:  # commits or rolls back
                yield self._db


def _make_tables(db: sqlite3.Connection) -> None:
    for line in TABLES:
        db.execute(line)
    for table, columns in ADDED.items():
        known = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for column in columns:
            if column.split()[0] not in known:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")


def _charge_dead(db: sqlite3.Connection, killed: int | None = None) -> None:
    """Turn the holds of processes that are dead into spending: nobody knows what their calls cost.

    killed: a process that counts as dead, although the kernel may not have ended it yet.
    """
    holders = db.execute("SELECT DISTINCT pid, started FROM hold WHERE pid IS NOT NULL").fetchall()
    for pid, started in holders:
        if pid == killed or process_start(pid) != started:
            db.execute(CHARGE, (pid, started))
            db.execute(f"DELETE FROM hold WHERE {HOLDER}", (pid, started))


def _amounts(usage: Usage) -> tuple[float, ...]:
    """The values of COLUMNS."""
    counts = (usage.calls, usage.prompt_tokens, usage.completion_tokens, usage.cost_usd)
    return (*counts, usage.cached_tokens, usage.cache_write_tokens)


def _usage(amounts: Sequence[Any]) -> Usage:
    """From the values of COLUMNS."""
    calls, prompt, completion, usd, cached, written = amounts
    return Usage(calls, prompt, completion, usd, cached_tokens=cached, cache_write_tokens=written)


def remove(path: Path) -> None:
    """Remove the spending file and SQLite's own files beside it."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}.lock"):
        path.with_name(name).unlink(missing_ok=True)
