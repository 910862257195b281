"""One call of the model while its endpoint fails: what is lost is given back, and whoever gave up is no evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError

from starlette.requests import Request

from evolve.core.errors import EndpointError
from evolve.core.records import Usage
from evolve.llm import call_seconds
from evolve.trial.gateway.budget import LOST_AT_MOST, TrialBudget

GAVE_UP = "the scaffold gave up a call while the model's API failed"
LOOK_SECONDS = 5.0
Gone = Callable[[], bool]


def longest_delay() -> float:
    """Seconds by which a trial may outlast its limit: what is given back, and one more call. Raises BadInput."""
    return LOST_AT_MOST + call_seconds()


def disconnect_check(request: Request) -> Gone:
    """For another thread: whether the client of a request that was read whole has hung up. Called in the event loop."""
    loop = asyncio.get_running_loop()

    def gone() -> bool:
        # Once the trial is over, its event loop ends too.
        if loop.is_closed():
            return True
        try:
            return asyncio.run_coroutine_threadsafe(request.is_disconnected(), loop).result(LOOK_SECONDS)
        except (TimeoutError, CancelledError, RuntimeError):
            return True

    return gone


class Endurance:
    """Passed to the model as `on_lost`."""

    def __init__(self, ledger: TrialBudget, gone: Gone) -> None:
        self._ledger, self._gone = ledger, gone
        self._failed = False

    def __call__(self, lost: Usage) -> None:
        """Raises EndpointError where going on is of no use."""
        self._failed = True
        self._ledger.lose(lost)
        self.check()

    def check(self) -> None:
        """Raises EndpointError if the scaffold did not wait for a call that failed at first."""
        if self._failed and self._gone():
            raise EndpointError(GAVE_UP)
