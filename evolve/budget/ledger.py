"""The file in which all processes of a run count what they spend, before it is a row of the database.

It lives as long as a session: a process that is killed leaves in it what its work had cost by then.
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
# Rows of the database are what lasts; this file need survive the death of processes, not of the machine.
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
# What has a row of its own is counted together, under no name.
BOOKED = ""


@dataclass(frozen=True)
class SpendingFile:
    """What every process of a session must know: the file, the run's caps, and what had been spent before the session.

    `ends`: on the monotonic clock, which the processes of a machine share; None: never.
    """

    path: Path
    caps: Caps = field(default_factory=Caps)
    before: Usage = field(default_factory=Usage)
    ends: float | None = None


class Ledger:
    """One process's view of the file; its threads may share it. Raises InfraError where the file can't be used."""

    def __init__(self, terms: SpendingFile) -> None:
        self.terms = terms
        self._lock = threading.Lock()
        with _told(terms.path):
            terms.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(terms.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            for line in (*SETTINGS, *TABLES):
                self._db.execute(line)

    def close(self) -> None:
        self._db.close()

    def take(self, what: str, most: Usage) -> int | None:
        """Begin a call that costs at most so much. -> its hold; None while other calls may use up what is left.

        Raises LookupError if no call may begin any more.
        """
        with self._changed() as db:
            may_begin = has_room(self.terms.caps, self._sum(db, "spent"), self._sum(db, HELD, before=False), most)
            if may_begin is False:
                raise LookupError("nothing is left")
            if may_begin is None:
                return None
            values = (what, most.prompt_tokens, most.completion_tokens, most.cost_usd)
            return db.execute("INSERT INTO hold VALUES (NULL, ?, ?, ?, ?)", values).lastrowid

    def settle(self, hold: int, spent: Usage) -> None:
        """The call has ended, and cost so much."""
        with self._changed() as db:
            (what,) = db.execute("SELECT what FROM hold WHERE id = ?", (hold,)).fetchone()
            db.execute("DELETE FROM hold WHERE id = ?", (hold,))
            db.execute(ADD, (what, spent.calls, spent.prompt_tokens, spent.completion_tokens, spent.cost_usd))

    def booked(self, what: str, usage: Usage) -> None:
        """What this work cost is in a row of the database now, which has the last word on how much it was."""
        with self._changed() as db:
            db.execute("DELETE FROM spent WHERE what = ?", (what,))
            db.execute(ADD, (BOOKED, usage.calls, usage.prompt_tokens, usage.completion_tokens, usage.cost_usd))

    def spent(self) -> Usage:
        """All that the run has spent, in earlier sessions too."""
        with self._changed() as db:
            return self._sum(db, "spent")

    def unrowed(self) -> dict[str, Usage]:
        """What is in no row of the database, by what it was spent on; calls that never ended as if they took all."""
        query = (
            "SELECT what, sum(calls), sum(prompt), sum(completion), sum(usd) FROM "
            "(SELECT * FROM spent UNION ALL SELECT what, 1, prompt, completion, usd FROM hold) "
            "WHERE what <> ? GROUP BY what ORDER BY what"
        )
        with self._changed() as db:
            return {what: Usage(*amounts) for what, *amounts in db.execute(query, (BOOKED,))}

    def _sum(self, db: sqlite3.Connection, source: str, before: bool = True) -> Usage:
        total = Usage(*db.execute(f"{SUMS} FROM {source}").fetchone())
        return self.terms.before + total if before else total

    @contextlib.contextmanager
    def _changed(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _told(self.terms.path):
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:  # commits, or takes all back
                yield self._db


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise disk.sqlite_failure(path, str(error)) from error


def remove(path: Path) -> None:
    """The file, and what SQLite has put beside it."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)
