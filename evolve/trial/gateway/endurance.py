"""Handle a call of the model whose endpoint fails: give lost time back, and void the trial if the scaffold hung up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError

from starlette.requests import Request

from evolve.budget.rate import longest_wait
from evolve.core.errors import EndpointError
from evolve.core.records import Limits, ModelSpec, Usage
from evolve.llm import call_seconds
from evolve.trial.gateway.budget import MAX_LOST_SECONDS, TrialBudget

GAVE_UP = "the scaffold gave up a call while the model's API failed"
LOOK_SECONDS = 5.0
HasHungUp = Callable[[], bool]


def longest_delay(model: ModelSpec, limits: Limits) -> float:
    """Seconds by which a trial may exceed its time limit: time given back, and one more call. Raises BadInput."""
    return MAX_LOST_SECONDS + longest_wait(model, limits) + call_seconds()


def disconnect_check(request: Request) -> HasHungUp:
    """Return a function for other threads that says whether the client has hung up. Call it in the event loop."""
    loop = asyncio.get_running_loop()

    def has_hung_up() -> bool:
        # The event loop ends with the trial.
        if loop.is_closed():
            return True
        try:
            return asyncio.run_coroutine_threadsafe(request.is_disconnected(), loop).result(LOOK_SECONDS)
        except (TimeoutError, CancelledError, RuntimeError):
            return True

    return has_hung_up


class Endurance:
    """Count failed tries of a call; passed to the model as `on_lost`."""

    def __init__(self, budget: TrialBudget, has_hung_up: HasHungUp) -> None:
        self._budget, self._has_hung_up = budget, has_hung_up
        self._failed = False

    def __call__(self, lost: Usage) -> None:
        """Count a failed try. Raises EndpointError if another try is of no use."""
        self._failed = True
        self._budget.record_loss(lost)
        self.check()

    def check(self) -> None:
        """Raise EndpointError if a try failed and the scaffold did not wait for the next."""
        if self._failed and self._has_hung_up():
            raise EndpointError(GAVE_UP)
