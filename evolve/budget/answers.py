"""When the endpoint last answered: what tells a call that fails alone from an outage.

Trials run in processes of their own, so what they know is shared in the session's spending file. Times are of the
monotonic clock, which all processes of the machine share.
"""

from __future__ import annotations

import functools
import threading
import time
from pathlib import Path
from typing import Protocol

from evolve.budget.shared_file import open_shared, raising_infra_errors

TABLES = (
    "CREATE TABLE IF NOT EXISTS answer (id INTEGER PRIMARY KEY, at REAL)",
    "CREATE INDEX IF NOT EXISTS answer_at ON answer (at)",
)
# Longer than any trial asks back: a call's tries, and all the time that may be given back.
KEPT_SECONDS = 4 * 3600.0


class Answers(Protocol):
    """The times at which an endpoint answered the calls of a run's trials."""

    def note(self) -> None:
        """Note that it has answered a call just now."""
        ...

    def any_between(self, since: float, until: float) -> bool:
        """Whether it answered any call in that time."""
        ...


class OwnAnswers:
    """The answers to one trial's calls, where no other trial is known."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def note(self) -> None:
        self._times.append(time.monotonic())

    def any_between(self, since: float, until: float) -> bool:
        return any(since <= at <= until for at in list(self._times))


class SharedAnswers:
    """One process's view of the answers to the trials of a session. Raises InfraError if the file can't be used."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        with raising_infra_errors(self._path):
            self._db = open_shared(path, TABLES)

    def note(self) -> None:
        now = time.monotonic()
        with self._lock, raising_infra_errors(self._path):
            self._db.execute("DELETE FROM answer WHERE at < ?", (now - KEPT_SECONDS,))
            self._db.execute("INSERT INTO answer (at) VALUES (?)", (now,))

    def any_between(self, since: float, until: float) -> bool:
        query = "SELECT 1 FROM answer WHERE at BETWEEN ? AND ? LIMIT 1"
        with self._lock, raising_infra_errors(self._path):
            return self._db.execute(query, (since, until)).fetchone() is not None


@functools.lru_cache(maxsize=4)
def answers_of(path: Path) -> SharedAnswers:
    """This process's connection to a spending file."""
    return SharedAnswers(path)
