"""Repeat calls of a model that its API fails, by the policy that trials follow: pause, probe, give up in the end."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from evolve.core.errors import EndpointError, HostRefused, RequestRefused
from evolve.core.records import Fault, Usage
from evolve.executor.fault_policy import FaultPolicy, FaultTracker, Notify, OnWait, ignore_wait
from evolve.host.circuit_breaker import Policy
from evolve.host.signals import Stop
from evolve.llm import Body, ChatModel, OnLost

SHORTEST_POLL_SECONDS = 0.01
Answer = TypeVar("Answer")


class Patience:
    """The circuit breaker of all calls that are made in this process, in whatever thread.

    Args:
        policy: When calls pause, for how long, and how long an outage may last.
        notify: Reports each change in one line.
        stop: Whether the user has asked for the end: nobody waits then.
        on_wait: Told of each pause.
    """

    def __init__(self, policy: Policy, notify: Notify, stop: Stop, on_wait: OnWait = ignore_wait) -> None:
        self._tracker = FaultTracker(FaultPolicy(policy, lambda _: None, notify, on_wait), "calls")
        self._stop, self._lock, self._running = stop, threading.Lock(), 0

    def wait(self) -> float:
        """Wait until one more call may start, and count it as running.

        Returns:
            The seconds waited; 0 if it may start at once.

        Raises:
            KeyboardInterrupt: The user has asked for the end during the wait.
        """
        began, pause = time.monotonic(), self._start()
        if not pause:
            return 0.0
        while pause:
            self._stop.check()
            time.sleep(pause)
            pause = self._start()
        return time.monotonic() - began

    def _start(self) -> float:
        """Count one more call as running if it may start; otherwise the seconds after which to ask again."""
        with self._lock:
            if not self._tracker.may_start(self._running):
                return max(self._tracker.poll_seconds(self._running), SHORTEST_POLL_SECONDS)
            self._running += 1
            return 0.0

    def attempt(self, call: Callable[[], Answer]) -> Answer | None:
        """Make a call that may start, and note how the endpoint fared.

        Returns:
            The answer; None if the endpoint failed and the call can be repeated.

        Raises:
            EndpointError: The outage has lasted longer than the policy's patience.
        """
        fault, detail = Fault.OTHER, ""
        try:
            answer = call()
            fault = Fault.NONE
            return answer
        except (HostRefused, RequestRefused):
            fault = Fault.NONE
            raise
        except EndpointError as error:
            fault, detail = Fault.ENDPOINT, str(error)
            return None
        finally:
            with self._lock:
                self._running -= 1
                self._tracker.note(fault, detail)


class PatientModel:
    """A ChatModel that repeats a call until the endpoint answers, or the patience is at its end.

    A repeated call is the same request. The waits are reported as lost time.
    """

    def __init__(self, model: ChatModel, patience: Patience) -> None:
        self._model, self._patience = model, patience

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        """Make one call of the model.

        Raises:
            EndpointError: The outage has lasted longer than the policy's patience.
            HostRefused, AccountError, BudgetExhausted, RequestRefused: At once.
            KeyboardInterrupt: The user has asked for the end during the wait.
        """
        lost = Usage(lost_seconds=self._patience.wait())
        while (answer := self._patience.attempt(functools.partial(self._attempt, body, on_lost, lost))) is None:
            lost = Usage(retries=1, lost_seconds=self._patience.wait())
        return answer

    def _attempt(self, body: Body, on_lost: OnLost | None, lost: Usage) -> dict[str, Any]:
        if on_lost and lost != Usage():
            on_lost(lost)
        return self._model.complete(body, on_lost)
