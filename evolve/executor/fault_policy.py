"""What the machine's faults mean for the trials that come next: wait, mend, or stop. Says so, once for each change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from evolve.core.errors import AccountError, BadInput, BudgetExhausted, DiskFull, EndpointError, EngineError, InfraError
from evolve.core.records import Fault
from evolve.host.circuit_breaker import BREAKING, Breaker, Policy, State

Notify = Callable[[str], None]
Restore = Callable[[Notify], object]

RESUME_HINT = "run the same command again to go on"
WHAT = {Fault.ENDPOINT: "the model's API", Fault.ENGINE: "the container engine"}
FATAL = {Fault.ENDPOINT: EndpointError, Fault.ENGINE: EngineError}
LOOK_SECONDS = 0.1
LONGEST_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class FaultPolicy:
    """How a run deals with faults: when it waits, and how an engine is brought up again.

    `restore`: raises BadInput or InfraError where the engine can't be had; it is run in a thread.
    """

    policy: Policy
    restore: Restore
    notify: Notify


class FaultTracker:
    """Of the endpoint and the engine, as the results of trials tell. Begins with nothing wrong."""

    def __init__(self, care: FaultPolicy) -> None:
        self._care, self._breaker = care, Breaker(care.policy)
        self._mended = True
        self._repair: _Repair | None = None

    def note(self, fault: Fault, detail: str) -> None:
        """One more result; NONE is a trial that counts.

        Raises AccountError or DiskFull at once, and EndpointError or EngineError when it was borne for long enough.
        """
        if fault is Fault.ACCOUNT:
            raise AccountError(detail if RESUME_HINT in detail else f"{detail}; when that is mended, {RESUME_HINT}")
        if fault is Fault.DISK:
            raise DiskFull(detail if "make room" in detail else f"no room: {detail}; make room, and {RESUME_HINT}")
        if fault is Fault.NONE:
            self._succeeded()
        elif fault in BREAKING:
            self._mended = self._mended and fault is not Fault.ENGINE
            self._failed(self._breaker.failed(fault, time.monotonic()), detail)

    def may_begin(self, running: int) -> bool:
        """Whether one more trial may begin. After a fault of the engine it has to answer first. Raises as `note`."""
        return self._breaker.may_begin(time.monotonic(), running) and (self._mended or self._engine_answers())

    def look_again(self, running: int) -> float:
        """Seconds after which `may_begin` may have another answer though no trial has ended."""
        now = time.monotonic()
        if self._breaker.state(now) is State.OPEN:
            return min(self._breaker.until - now, LONGEST_LOOK_SECONDS)
        return LONGEST_LOOK_SECONDS if self._repair is None and running else LOOK_SECONDS

    def _succeeded(self) -> None:
        if self._breaker.opened is not None:
            self._care.notify(f"{WHAT[self._breaker.fault]} answers again: going on")
        # Whether the engine answers now is another question: that trial may have ended before it died.
        self._breaker = self._breaker.succeeded()

    def _failed(self, after: Breaker, detail: str) -> None:
        before, self._breaker, now = self._breaker, after, time.monotonic()
        what, why = WHAT[after.fault], _last_line(detail)
        if after.given_up(now):
            raise FATAL[after.fault](f"{what} failed for {_minutes(after.policy.patience)}: {why}; {RESUME_HINT}")
        if after.pauses > before.pauses:
            still = "still fails" if before.pauses else "fails"
            self._care.notify(f"{what} {still} ({why}): no trial begins for {max(after.until - now, 0):.0f} s")

    def _engine_answers(self) -> bool:
        """Without waiting for it: an engine that is being brought up is looked at again later."""
        if self._repair is None:
            self._repair = _Repair(self._care)
        if self._repair.is_alive():
            return False
        problem, self._repair = self._repair.problem, None
        self._mended = not problem
        if problem:
            self._failed(self._breaker.tripped(Fault.ENGINE, time.monotonic()), problem)
        return self._mended


class _Repair(threading.Thread):
    """Brings the engine up; `problem` says in the end why it could not be done. No exit of the program waits for it."""

    def __init__(self, care: FaultPolicy) -> None:
        super().__init__(name="repair", daemon=True)
        self._care, self.problem = care, "it could not be started"
        self.start()

    def run(self) -> None:
        try:
            self._care.restore(self._care.notify)
            self.problem = ""
        except (BadInput, InfraError, OSError) as error:
            self.problem = str(error)


def check_cap(fault: Fault, detail: str) -> None:
    """Raise BudgetExhausted where the run's own cap ended something."""
    if fault is Fault.CAP:
        raise BudgetExhausted(detail)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else "no detail"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"
