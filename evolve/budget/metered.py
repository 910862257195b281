"""A model whose calls are paid for out of the run's purse, in whatever process they are made."""

from __future__ import annotations

import functools
import time
from typing import Any

from evolve.budget.ledger import Ledger, SpendingFile
from evolve.core.errors import BudgetExhausted
from evolve.core.records import ModelSpec, Usage
from evolve.llm import Body, ChatModel, OnLost, estimate_prompt_tokens, usage_of

LOOK_AGAIN_SECONDS = 0.05
# Asked for by no caller that names no `max_tokens`, yet an answer has some length.
USUAL_ANSWER = 4096


@functools.lru_cache(maxsize=4)
def purse_of(terms: SpendingFile) -> Ledger:
    """This process's purse of a session: one connection, however many trials it runs."""
    return Ledger(terms)


class Metered:
    """A ChatModel around another: each call is held in the purse before it is made, and settled after it.

    what: the work that its calls are for. The time for which a call waits for others is told as lost. Raises
    BudgetExhausted where the run's caps leave no room for a call.
    """

    def __init__(self, model: ChatModel, spec: ModelSpec, terms: SpendingFile, what: str) -> None:
        self._model, self._spec, self._terms, self._what = model, spec, terms, what

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        most, purse, asked = self._most(body), purse_of(self._terms), time.monotonic()
        hold, spent = self._taken(purse, most), Usage(calls=1)
        try:
            waited = time.monotonic() - asked
            if on_lost and waited > LOOK_AGAIN_SECONDS:
                on_lost(Usage(lost_seconds=waited))
            completion = self._model.complete(body, on_lost)
            spent = usage_of(completion, self._spec, body)
        finally:
            purse.settle(hold, spent)
        return completion

    def _taken(self, purse: Ledger, most: Usage) -> int:
        """A hold, as soon as the calls that run leave room for it."""
        while self._terms.ends is None or time.monotonic() < self._terms.ends:
            try:
                hold = purse.take(self._what, most)
            except LookupError:
                break
            if hold is not None:
                return hold
            time.sleep(LOOK_AGAIN_SECONDS)
        raise BudgetExhausted("the run's budget is spent")

    def _most(self, body: Body) -> Usage:
        """All that a call may cost."""
        asked, prompt = body.get("max_tokens"), estimate_prompt_tokens(body)
        answer = asked if isinstance(asked, int) else USUAL_ANSWER
        return Usage(1, prompt, answer, self._spec.cost_usd(prompt, answer))
