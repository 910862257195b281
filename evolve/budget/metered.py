"""A model whose calls are counted in the run's ledger, in whatever process they are made."""

from __future__ import annotations

import functools
import time
from typing import Any

from evolve.budget.ledger import Ledger, SpendingFile
from evolve.budget.turns import paced
from evolve.budget.waits import report_wait
from evolve.core.errors import BudgetExhausted
from evolve.core.records import ModelSpec, Usage
from evolve.llm import Body, ChatModel, OnLost, highest_usage, usage_of

RETRY_SECONDS = 0.05
# How often the time that a call has waited is reported.
REPORT_SECONDS = 1.0
# The longest time that the calls of one trial wait for room, all together. What a trial loses beyond ten minutes would
# count as the endpoint's failure.
LONGEST_WAIT_SECONDS = 540.0


@functools.lru_cache(maxsize=4)
def ledger_of(terms: SpendingFile) -> Ledger:
    """This process's ledger of a session: one connection, however many trials it runs."""
    return Ledger(terms)


def charge_dead(terms: SpendingFile, what: str, pid: int) -> Usage:
    """Charge a killed process's calls in progress; returns what was spent on `what`: see `Ledger.charge_dead`."""
    return ledger_of(terms).charge_dead(what, pid)


class Metered:
    """A ChatModel that reserves the highest cost of each call before making it, and settles the actual cost after.

    what: the work that the calls are for. Time spent waiting for other calls is reported as lost, while it lasts.

    Raises:
        BudgetExhausted: The run's caps leave no room for a call, or the calls have waited for LONGEST_WAIT_SECONDS.
    """

    def __init__(self, model: ChatModel, spec: ModelSpec, terms: SpendingFile, what: str) -> None:
        self._model, self._spec, self._terms, self._what = paced(model, spec, terms), spec, terms, what
        self._waited = 0.0

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        """Make one call of the model, once the budget has room for it."""
        ledger, failed = ledger_of(self._terms), _Failed(on_lost)
        wait = _Wait(on_lost)
        hold, spent = self._reserve(ledger, highest_usage(body, self._spec), wait), Usage(calls=1)
        try:
            wait.report(RETRY_SECONDS)
            completion = self._model.complete(body, failed)
            spent = usage_of(completion, self._spec, body)
        finally:
            ledger.settle(hold, spent + failed.usage)
        return completion

    def _reserve(self, ledger: Ledger, most: Usage, wait: _Wait) -> int:
        """Wait until the calls in progress leave room, and reserve it."""
        while self._terms.ends is None or time.monotonic() < self._terms.ends:
            try:
                hold = ledger.reserve(self._what, most)
            except LookupError:
                break
            if hold is not None:
                return hold
            if self._waited >= LONGEST_WAIT_SECONDS:
                break
            wait.report(REPORT_SECONDS)
            time.sleep(RETRY_SECONDS)
            self._waited += RETRY_SECONDS
        raise BudgetExhausted("the run's budget is spent")


class _Failed:
    """Adds up what the failed tries of one call took, and passes it on."""

    def __init__(self, on_lost: OnLost | None) -> None:
        self._on_lost, self.usage = on_lost, Usage()

    def __call__(self, lost: Usage) -> None:
        self.usage += lost
        if self._on_lost:
            self._on_lost(lost)

    def held_back(self, lost: Usage) -> None:
        report_wait(self._on_lost, lost.lost_seconds)


class _Wait:
    """The time that a call has waited for room since the last report of it."""

    def __init__(self, on_lost: OnLost | None) -> None:
        self._on_lost, self._since = on_lost, time.monotonic()

    def report(self, least: float) -> None:
        """Report the wait as lost time if it lasted for more than `least` seconds."""
        waited = time.monotonic() - self._since
        if self._on_lost and waited > least:
            self._since += waited
            report_wait(self._on_lost, waited)
