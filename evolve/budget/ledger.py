"""The file in which all processes of a run count their spending until it is a row of the database.

It lives as long as a session: the spending of a killed process stays in it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from evolve.core.caps import Caps, has_room
from evolve.core.records import Usage
from evolve.host import disk

BUSY_SECONDS = 60.0
# The database is the durable record; this file must survive the death of processes, not of the machine.
SETTINGS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF")
TABLES = (
    "CREATE TABLE IF NOT EXISTS hold (id INTEGER PRIMARY KEY, what TEXT, prompt INTEGER, completion INTEGER, usd REAL)",
    "CREATE TABLE IF NOT EXISTS spent "
    "(what TEXT PRIMARY KEY, calls INTEGER, prompt INTEGER, completion INTEGER, usd REAL)",
)
ADD = (
    "INSERT INTO spent VALUES (?, ?, ?, ?, ?) ON CONFLICT (what) DO UPDATE SET calls = calls + excluded.calls, "
    "prompt = prompt + excluded.prompt, completion = completion + excluded.completion, usd = usd + excluded.usd"
)
SUMS = "SELECT coalesce(sum(calls), 0), coalesce(sum(prompt), 0), coalesce(sum(completion), 0), coalesce(sum(usd), 0)"
HELD = "(SELECT 1 AS calls, prompt, completion, usd FROM hold)"
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
        with _raising_infra_errors(terms.path):
            terms.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(terms.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            for line in (*SETTINGS, *TABLES):
                self._db.execute(line)

    def close(self) -> None:
        self._db.close()

    def reserve(self, what: str, most: Usage) -> int | None:
        """Reserve room for a call that uses at most `most`.

        Returns:
            The id of the hold; None while calls in progress may use up the rest of the budget.

        Raises:
            LookupError: The budget is spent.
        """
        with self._transaction() as db:
            may_begin = has_room(self.terms.caps, self._sum(db, "spent"), self._sum(db, HELD, before=False), most)
            if may_begin is False:
                raise LookupError("the budget is spent")
            if may_begin is None:
                return None
            values = (what, most.prompt_tokens, most.completion_tokens, most.cost_usd)
            return db.execute("INSERT INTO hold VALUES (NULL, ?, ?, ?, ?)", values).lastrowid

    def settle(self, hold: int, spent: Usage) -> None:
        """Replace a hold with the actual usage of its call."""
        with self._transaction() as db:
            (what,) = db.execute("SELECT what FROM hold WHERE id = ?", (hold,)).fetchone()
            db.execute("DELETE FROM hold WHERE id = ?", (hold,))
            db.execute(ADD, (what, spent.calls, spent.prompt_tokens, spent.completion_tokens, spent.cost_usd))

    def book(self, what: str, usage: Usage) -> None:
        """Mark the spending on `what` as stored in the database, whose figure `usage` replaces the file's."""
        with self._transaction() as db:
            db.execute("DELETE FROM spent WHERE what = ?", (what,))
            db.execute(ADD, (BOOKED, usage.calls, usage.prompt_tokens, usage.completion_tokens, usage.cost_usd))

    def spent(self) -> Usage:
        """The run's usage so far, earlier sessions included."""
        with self._transaction() as db:
            return self._sum(db, "spent")

    def unbooked(self) -> dict[str, Usage]:
        """The usage that is in no row of the database, by purpose; calls that never ended count with their maximum."""
        query = (
            "SELECT what, sum(calls), sum(prompt), sum(completion), sum(usd) FROM "
            "(SELECT * FROM spent UNION ALL SELECT what, 1, prompt, completion, usd FROM hold) "
            "WHERE what <> ? GROUP BY what ORDER BY what"
        )
        with self._transaction() as db:
            return {what: Usage(*amounts) for what, *amounts in db.execute(query, (BOOKED,))}

    def _sum(self, db: sqlite3.Connection, source: str, before: bool = True) -> Usage:
        total = Usage(*db.execute(f"{SUMS} FROM {source}").fetchone())
        return self.terms.before + total if before else total

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _raising_infra_errors(self.terms.path):
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:  # commits or rolls back
                yield self._db


@contextlib.contextmanager
def _raising_infra_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise disk.sqlite_error(path, str(error)) from error


def remove(path: Path) -> None:
    """Remove the spending file and SQLite's own files beside it."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)
