"""A model whose calls are counted in the run's ledger, in whatever process they are made."""

from __future__ import annotations

import functools
import time
from typing import Any

from evolve.budget.ledger import Ledger, SpendingFile
from evolve.budget.turns import paced
from evolve.core.errors import BudgetExhausted
from evolve.core.records import ModelSpec, Usage
from evolve.llm import Body, ChatModel, OnLost, estimate_prompt_tokens, usage_of

RETRY_SECONDS = 0.05
# Assumed length of an answer, in tokens, when a request sets no `max_tokens`.
DEFAULT_ANSWER_TOKENS = 4096


@functools.lru_cache(maxsize=4)
def ledger_of(terms: SpendingFile) -> Ledger:
    """This process's ledger of a session: one connection, however many trials it runs."""
    return Ledger(terms)


class Metered:
    """A ChatModel that reserves the highest cost of each call before making it, and settles the actual cost after.

    what: the work that the calls are for. Time spent waiting for other calls is reported as lost.

    Raises:
        BudgetExhausted: The run's caps leave no room for a call.
    """

    def __init__(self, model: ChatModel, spec: ModelSpec, terms: SpendingFile, what: str) -> None:
        self._model, self._spec, self._terms, self._what = paced(model, spec, terms), spec, terms, what

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        """Make one call of the model, once the budget has room for it."""
        most, ledger, asked = self._highest_usage(body), ledger_of(self._terms), time.monotonic()
        hold, spent = self._reserve(ledger, most), Usage(calls=1)
        try:
            waited = time.monotonic() - asked
            if on_lost and waited > RETRY_SECONDS:
                on_lost(Usage(lost_seconds=waited))
            completion = self._model.complete(body, on_lost)
            spent = usage_of(completion, self._spec, body)
        finally:
            ledger.settle(hold, spent)
        return completion

    def _reserve(self, ledger: Ledger, most: Usage) -> int:
        """Wait until the calls in progress leave room, and reserve it."""
        while self._terms.ends is None or time.monotonic() < self._terms.ends:
            try:
                hold = ledger.reserve(self._what, most)
            except LookupError:
                break
            if hold is not None:
                return hold
            time.sleep(RETRY_SECONDS)
        raise BudgetExhausted("the run's budget is spent")

    def _highest_usage(self, body: Body) -> Usage:
        """All that a call may cost."""
        asked, prompt = body.get("max_tokens"), estimate_prompt_tokens(body)
        answer = asked if isinstance(asked, int) else DEFAULT_ANSWER_TOKENS
        return Usage(1, prompt, answer, self._spec.cost_usd(prompt, answer))
