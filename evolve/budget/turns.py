"""Calls take turns under their endpoint's limits per minute, in a file that all processes of a run share."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.budget.ledger import SpendingFile
from evolve.budget.rate import Rates, Sent, rates_of, send_times
from evolve.budget.shared_file import open_shared, raising_infra_errors
from evolve.budget.waits import report_wait
from evolve.core.errors import BudgetExhausted
from evolve.core.records import ModelSpec, Usage
from evolve.llm import Body, ChatModel, OnLost, estimate_prompt_tokens, usage_of, with_sent_messages
from evolve.llm.estimates import DEFAULT_ANSWER_TOKENS

FILE = "rates.db"
TABLE = (
    "CREATE TABLE IF NOT EXISTS turn "
    "(id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT, tokens INTEGER, seen REAL, sent REAL)"
)
# How often a waiting call looks whether it may be sent, as others may have used less than they reserved.
LOOK_SECONDS = 0.5
SHORTEST_LOOK_SECONDS = 0.005
# A waiting call that nobody has looked after for so long was of a process that died.
DEAD_SECONDS = 15.0
# Waits up to this are not worth a report.
UNNOTICED_SECONDS = 0.05


@dataclass(frozen=True)
class Turn:
    """A call's place among the others. `at`: when it may be sent, as things stand; `now`: it is its turn."""

    id: int
    at: float
    now: bool


class Turns:
    """One process's view of the shared file. Raises InfraError if the file can't be used.

    It outlives a session, as the endpoint's minute does. Times in it are of the monotonic clock, so what lies in the
    future was written before the machine was last started.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        with raising_infra_errors(self._path):
            self._db = open_shared(path, [TABLE])

    def close(self) -> None:
        self._db.close()

    def ask(self, endpoint: str, rates: Rates, tokens: int, turn: int | None = None) -> Turn:
        """Ask for a turn now; a call that gets it counts as sent.

        Args:
            tokens: The most that the call may use.
            turn: Its place so far; None: it comes last. A place that is gone is replaced by the last one.
        """
        tokens = tokens if rates.tokens is None else min(tokens, rates.tokens)
        with self._transaction() as db:
            now = time.monotonic()
            self._forget(db, rates.window, now)
            place = self._place(db, endpoint, tokens, now, turn)
            at = self._send_time(db, endpoint, rates, place, now)
            if at <= now:
                db.execute("UPDATE turn SET sent = ? WHERE id = ?", (now, place))
            return Turn(place, at, at <= now)

    def correct(self, turn: int, tokens: int) -> None:
        """Replace the most that a call may use by what it used."""
        with self._transaction() as db:
            db.execute("UPDATE turn SET tokens = ? WHERE id = ?", (tokens, turn))

    def leave(self, turn: int) -> None:
        """Give up the place of a waiting call."""
        with self._transaction() as db:
            db.execute("DELETE FROM turn WHERE id = ? AND sent IS NULL", (turn,))

    def _forget(self, db: sqlite3.Connection, window: float, now: float) -> None:
        """Remove calls that no longer count, and waiting ones whose process has died."""
        db.execute("DELETE FROM turn WHERE sent <= ? OR sent > ?", (now - window, now))
        db.execute("DELETE FROM turn WHERE sent IS NULL AND (seen < ? OR seen > ?)", (now - DEAD_SECONDS, now))

    def _place(self, db: sqlite3.Connection, endpoint: str, tokens: int, now: float, turn: int | None) -> int:
        kept = db.execute("UPDATE turn SET seen = ? WHERE id = ? AND sent IS NULL", (now, turn))
        if turn is not None and kept.rowcount:
            return turn
        return int(db.execute("INSERT INTO turn VALUES (NULL, ?, ?, ?, NULL)", (endpoint, tokens, now)).lastrowid or 0)

    def _send_time(self, db: sqlite3.Connection, endpoint: str, rates: Rates, place: int, now: float) -> float:
        sent = db.execute("SELECT sent, tokens FROM turn WHERE endpoint = ? AND sent IS NOT NULL", (endpoint,))
        before = "SELECT tokens FROM turn WHERE endpoint = ? AND sent IS NULL AND id <= ? ORDER BY id"
        waiting = [tokens for (tokens,) in db.execute(before, (endpoint, place))]
        return send_times(rates, [Sent(at, tokens) for at, tokens in sent], waiting, now)[-1]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, raising_infra_errors(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:  # commits or rolls back
                yield self._db


@functools.lru_cache(maxsize=4)
def turns_of(path: Path) -> Turns:
    """This process's connection to a shared file."""
    return Turns(path)


class PacedModel:
    """A ChatModel each of whose tries waits for its turn. The waiting time is reported as lost.

    Raises:
        BudgetExhausted: The session's time is over.
    """

    def __init__(self, model: ChatModel, spec: ModelSpec, rates: Rates, path: Path, ends: float | None = None) -> None:
        """Wrap a model.

        Args:
            path: The file that the processes share.
            ends: Monotonic time after which no call is sent; None: never.
        """
        self._model, self._spec, self._rates, self._path, self._ends = model, spec, rates, path, ends
        self._endpoint = f"{spec.name} at {spec.base_url}"

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        """Make one call of the model when it is its turn; tries after the first one wait for another turn."""
        most = _most_tokens(body, self._spec)
        turn = self._wait(most, on_lost)

        def wait_again(lost: Usage) -> None:
            nonlocal turn
            if on_lost:
                on_lost(lost)
            if lost.retries:
                turn = self._wait(most, on_lost)

        completion = self._model.complete(body, wait_again)
        turns_of(self._path).correct(turn, usage_of(completion, self._spec, body).tokens)
        return completion

    def _wait(self, tokens: int, on_lost: OnLost | None) -> int:
        """Wait for a turn of so many tokens, and take it."""
        turns, since = turns_of(self._path), time.monotonic()
        turn = turns.ask(self._endpoint, self._rates, tokens)
        try:
            while not turn.now:
                self._sleep(turn.at)
                since = _report(since, on_lost)
                turn = turns.ask(self._endpoint, self._rates, tokens, turn.id)
        finally:
            if not turn.now:
                turns.leave(turn.id)
        return turn.id

    def _sleep(self, until: float) -> None:
        """Sleep until then, but never for long."""
        if self._ends is not None and time.monotonic() >= self._ends:
            raise BudgetExhausted("the run's budget is spent")
        time.sleep(min(max(until - time.monotonic(), SHORTEST_LOOK_SECONDS), LOOK_SECONDS))


def paced(model: ChatModel, spec: ModelSpec, terms: SpendingFile) -> ChatModel:
    """The model, with its endpoint's limits per minute kept by all processes of the run if it has any."""
    rates = rates_of(spec)
    return model if rates.unlimited else PacedModel(model, spec, rates, terms.path.with_name(FILE), terms.ends)


def _most_tokens(body: Body, spec: ModelSpec) -> int:
    asked = body.get("max_tokens")
    return estimate_prompt_tokens(with_sent_messages(body, spec)) + (
        asked if isinstance(asked, int) else DEFAULT_ANSWER_TOKENS
    )


def _report(since: float, on_lost: OnLost | None) -> float:
    """Report the time since then as lost, unless nobody would notice; returns from when the next report counts."""
    now = time.monotonic()
    if now - since <= UNNOTICED_SECONDS:
        return since
    report_wait(on_lost, now - since)
    return now
