"""Handle a call of the model whose endpoint fails: give lost time back, and decide whose fault its end is.

Whoever gives up a failing call while the endpoint answers other calls, of this trial or another one of the run, has
itself to blame; in an outage, in which nobody is answered, the endpoint has.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager

from starlette.requests import Request

from evolve.budget.answers import Answers
from evolve.budget.rate import longest_wait
from evolve.core.errors import EndpointError
from evolve.core.records import Limits, ModelSpec, Usage
from evolve.llm import call_seconds
from evolve.trial.gateway.budget import MAX_LOST_SECONDS, TrialBudget
from evolve.trial.gateway.spans import FailingCalls, Span
from evolve.trial.gateway.wire import Refusal

GAVE_UP = "the scaffold gave up a call while the model's API failed"
LEFT = "the scaffold gave up a call that was waiting"
# Tries of calls that are not answered in the end are not counted as calls. Ten calls at once that fail in all of their
# tries make fifty: calls in a row never come near that, since a call that was answered no longer counts here.
MAX_UNANSWERED_RETRIES = 50
TOO_MANY = f"over {MAX_UNANSWERED_RETRIES} tries of calls that were not answered"
CLIENT_CLOSED = 499
LOOK_SECONDS = 5.0
# How long the event loop is given to notice a connection that was closed just now.
NOTICE_SECONDS = 0.005
# The monotonic time at which the client hung up; None while it waits.
HungUpAt = Callable[[], float | None]


def longest_delay(models: Sequence[ModelSpec], limits: Limits) -> float:
    """Seconds by which a trial may exceed its time limit: time given back, and one more call. Raises BadInput."""
    return MAX_LOST_SECONDS + max(longest_wait(model, limits) for model in models) + call_seconds()


class Client:
    """The client of one request, as other threads than the event loop's see it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._hung_up_at: float | None = None

    def hung_up_at(self) -> float | None:
        """When the client hung up, on the monotonic clock; None if it has not."""
        try:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(NOTICE_SECONDS), self._loop).result(LOOK_SECONDS)
        except (TimeoutError, CancelledError, RuntimeError):
            # The event loop ends with the trial.
            return self._hung_up_at or time.monotonic()
        return self._hung_up_at

    async def watch(self, request: Request) -> None:
        """Note when the connection closes. Ends with the request."""
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self._hung_up_at = time.monotonic()


@contextmanager
def watched_client(request: Request) -> Iterator[Client]:
    """Watch the connection of a request whose body has been read, in the event loop, until the block ends."""
    client = Client()
    watching = asyncio.ensure_future(client.watch(request))
    try:
        yield client
    finally:
        watching.cancel()


class Endurance:
    """Count failed tries of a call; passed to the model as `on_lost`.

    Attributes:
        stuck: The spans in which the call was stuck.
        failing_since: When its first failed try began, on the monotonic clock; None if none has failed.
        failed_at: When it was given up; None if it was not.
    """

    def __init__(self, budget: TrialBudget, hung_up_at: HungUpAt, answers: Answers, calls: FailingCalls) -> None:
        """Begin with no failed try. `calls`: the failing ones of the trial, of which this may become one."""
        self._budget, self._hung_up_at, self._answers, self._calls = budget, hung_up_at, answers, calls
        self.failing_since: float | None = None
        self.failed_at: float | None = None
        self._retries = 0
        self.stuck: list[Span] = []

    def __call__(self, lost: Usage) -> None:
        """Count a failed try.

        Raises:
            EndpointError: Another try is of no use, and the endpoint is at fault.
            Refusal: The same, and the scaffold is.
        """
        now = self._note(lost)
        if self.failing_since is None:
            self.failing_since = now - lost.lost_seconds
            self._calls.fail(self, self.failing_since)
        self._retries += lost.retries
        if self._budget.count_unanswered(lost.retries) > MAX_UNANSWERED_RETRIES:
            error = self._attributed(self.failing_since, now, TOO_MANY)
            raise self._budget.spent("retries") if isinstance(error, Refusal) else error
        self.check()

    def held_back(self, lost: Usage) -> None:
        """Count a wait of our own. It is no fault of the endpoint's to give up in it. Raises as for a failed try."""
        self._note(lost)
        if self.failing_since is None and self._hung_up_at() is not None:
            raise Refusal(CLIENT_CLOSED, "gave_up", LEFT)
        self.check()

    def check(self) -> None:
        """Raise EndpointError or Refusal if a try failed and the scaffold did not wait for the next."""
        if self.failing_since is not None and (until := self._hung_up_at()) is not None:
            raise self._attributed(self.failing_since, until, GAVE_UP)

    def settle(self) -> None:
        """Note that the endpoint answered the call in the end: its tries count no more."""
        self._budget.count_unanswered(-self._retries)
        self._calls.forget(self)

    def caused(self, own: Answers) -> bool:
        """Whether the call failed although others that the scaffold made at the same time were answered."""
        if self.failing_since is None:
            return False
        self.failed_at = self.failed_at or time.monotonic()
        self._calls.fail(self, self.failing_since, self.failed_at)
        return own.any_between(self._calls.start_of(self.failing_since), self.failed_at)

    def _note(self, lost: Usage) -> float:
        now = time.monotonic()
        self.stuck.append((now - lost.lost_seconds, now))
        self._budget.record_loss(lost)
        return now

    def _attributed(self, since: float, until: float, what: str) -> Refusal | EndpointError:
        """Whose fault it is, by what the endpoint did for others meanwhile."""
        self.failed_at = until
        self._calls.fail(self, since, until)
        # Of calls that fail together, all would have to be an outage's.
        if self._answers.any_between(self._calls.start_of(since), until):
            return Refusal(CLIENT_CLOSED, "gave_up", f"{what}; the model's API answered other calls meanwhile")
        return EndpointError(what)
