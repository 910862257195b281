"""Decide what a fault of the machine means for the next trials: wait, repair, or stop. Each change is reported once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from evolve.core.errors import AccountError, BadInput, BudgetExhausted, DiskFull, EndpointError, EngineError, InfraError
from evolve.core.records import Fault
from evolve.core.text import last_line
from evolve.host.circuit_breaker import OUTAGE_FAULTS, Breaker, Policy, State
from evolve.host.disk import FREE_SPACE_HINT

Notify = Callable[[str], None]
Restore = Callable[[Notify], object]
# Called with the cause and the seconds of a pause; with "" and 0 once it is over.
OnWait = Callable[[str, float], None]

RESUME_HINT = "run the same command again to resume"
NAMES = {Fault.ENDPOINT: "the model's API", Fault.ENGINE: "the container engine"}
FATAL = {Fault.ENDPOINT: EndpointError, Fault.ENGINE: EngineError}
POLL_SECONDS = 0.1
LONGEST_POLL_SECONDS = 1.0
MAX_DETAIL = 200


def ignore_wait(_cause: str, _seconds: float) -> None:
    """For whoever shows no pauses."""


@dataclass(frozen=True)
class FaultPolicy:
    """How a run reacts to faults: when it waits, and how it restores the engine.

    restore: runs in a thread; raises BadInput or InfraError if the engine cannot be started.
    """

    policy: Policy
    restore: Restore
    notify: Notify
    on_wait: OnWait = ignore_wait


class FaultTracker:
    """Track faults of the endpoint and the engine from the results of trials. Starts with no fault.

    work: what doesn't start during a pause, as the notices name it.
    """

    def __init__(self, fault_policy: FaultPolicy, work: str = "trials") -> None:
        self._fault_policy, self._breaker, self._work = fault_policy, Breaker(fault_policy.policy), work
        self._engine_works = True
        self._repair: _Repair | None = None

    def note(self, fault: Fault, detail: str) -> None:
        """Note the result of a trial; NONE is a trial that counts.

        Raises:
            AccountError, DiskFull: at once.
            EndpointError, EngineError: when the fault has lasted longer than the policy's patience.
        """
        if fault is Fault.ACCOUNT:
            raise AccountError(detail if RESUME_HINT in detail else f"{detail}; fix this, then {RESUME_HINT}")
        if fault is Fault.DISK:
            raise DiskFull(detail if FREE_SPACE_HINT in detail else f"disk full: {detail}; {FREE_SPACE_HINT}")
        if fault is Fault.NONE:
            self._note_success()
        elif fault in OUTAGE_FAULTS:
            self._engine_works = self._engine_works and fault is not Fault.ENGINE
            self._note_failure(self._breaker.record_failure(fault, time.monotonic()), detail)

    def may_start(self, running: int) -> bool:
        """Whether one more trial may start; after a fault of the engine it must answer first. Raises as `note`."""
        return self._breaker.may_start(time.monotonic(), running) and (self._engine_works or self._engine_answers())

    def poll_seconds(self, running: int) -> float:
        """Seconds after which to ask `may_start` again although no trial has ended."""
        now = time.monotonic()
        if self._breaker.state(now) is State.OPEN:
            return min(self._breaker.until - now, LONGEST_POLL_SECONDS)
        return LONGEST_POLL_SECONDS if self._repair is None and running else POLL_SECONDS

    def _note_success(self) -> None:
        if self._breaker.opened_at is not None:
            self._fault_policy.notify(f"{NAMES[self._breaker.fault]} answers again: resuming")
            self._fault_policy.on_wait("", 0.0)
        # `_engine_works` stays: the trial may have ended before the engine died.
        self._breaker = self._breaker.record_success()

    def _note_failure(self, after: Breaker, detail: str) -> None:
        before, self._breaker, now = self._breaker, after, time.monotonic()
        name, reason = NAMES[after.fault], last_line(detail, default="no detail")[:MAX_DETAIL]
        if after.is_out_of_patience(now):
            raise FATAL[after.fault](
                f"{name} failed for {_format_duration(after.policy.patience)}: {reason}; {RESUME_HINT}"
            )
        if after.pauses > before.pauses:
            verb = "still fails" if before.pauses else "fails"
            pause = max(after.until - now, 0)
            self._fault_policy.notify(f"{name} {verb} ({reason}): no new {self._work} for {pause:.0f} s")
            self._fault_policy.on_wait(f"{name} {verb} ({reason})", pause)

    def _engine_answers(self) -> bool:
        """Whether the engine answers; does not wait, so while it is being restored the answer is no."""
        if self._repair is None:
            self._repair = _Repair(self._fault_policy)
        if self._repair.is_alive():
            return False
        problem, self._repair = self._repair.problem, None
        self._engine_works = not problem
        if problem:
            self._note_failure(self._breaker.trip(Fault.ENGINE, time.monotonic()), problem)
        return self._engine_works


class _Repair(threading.Thread):
    """Restore the engine in a daemon thread; `problem` is empty after success."""

    def __init__(self, fault_policy: FaultPolicy) -> None:
        super().__init__(name="repair", daemon=True)
        self._fault_policy, self.problem = fault_policy, "it could not be started"
        self.start()

    def run(self) -> None:
        try:
            self._fault_policy.restore(self._fault_policy.notify)
            self.problem = ""
        except (BadInput, InfraError, OSError) as error:
            self.problem = str(error)


def check_cap(fault: Fault, detail: str) -> None:
    """Raise BudgetExhausted if the run's own cap ended the work."""
    if fault is Fault.CAP:
        raise BudgetExhausted(detail)


def _format_duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"
