"""Many trials at once, each in a process of its own; what the machine does wrong is waited for, or tried again."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType

from evolve.core.errors import InfraError
from evolve.core.records import Fault, Outcome, TrialResult, TrialSpec, Usage
from evolve.executor.fault_policy import FaultPolicy, FaultTracker, Notify, Restore, check_cap
from evolve.executor.workers import Work, Worker, Workers
from evolve.host.circuit_breaker import BREAKING, MOST_DOUBLINGS, Policy
from evolve.host.platform import usable_processors
from evolve.sandbox import engine
from evolve.sandbox.cleanup import reaper
from evolve.trial.run import SPARE_SECONDS, ChargedFault, fault_of, run_trial, run_trial_ahead
from evolve.trial.self_work import SelfWork as SelfWork
from evolve.trial.self_work import SelfWorkResult, run_self_work

TRIES = 3
PAUSE_SECONDS = 2.0
# What a trial may lose to an endpoint that fails, and a busy engine with it, before it is taken for stuck.
LOST_SECONDS = 1800.0
LOOK_SECONDS = 1.0
SHORTEST_LOOK_SECONDS = 0.01

OnResult = Callable[[TrialResult], None]
Clear = Callable[[str, int], object]


def default_jobs() -> int:
    """As many trials at once as there are processors for them."""
    return usable_processors()


def overdue_after(spec: TrialSpec) -> float:
    """Seconds after which a trial is stuck, by the monotonic clock: its own bound, and a generous allowance."""
    return spec.limits.seconds + spec.task.verifier_seconds + SPARE_SECONDS + LOST_SECONDS


@dataclass(frozen=True)
class QueuedTrial:
    """A trial that waits for its `tries`-th try, which is not made before the moment `after`.

    `faults`: how often the endpoint or the engine failed it, which is no try.
    """

    spec: TrialSpec
    tries: int = 1
    after: float = 0.0
    faults: int = 0


@dataclass(frozen=True)
class RunningTrial:
    """A trial that runs: since when by the monotonic clock, and by the calendar."""

    due: QueuedTrial
    since: float
    started_at: str


class Evaluator:
    """A pool of worker processes for a whole run. Use as a context manager.

    work: a function of a module, so that the workers can import it; pause_seconds: before the second try; here: runs a
    trial in this process; policy, restore, notify: see `health.Care`; clear: removes what a dead worker left in the
    engine, given the owner and the process's id; overdue: when a trial is taken for stuck; over: whether the user has
    asked for the end, upon which nothing is waited for but the trials that run.
    """

    def __init__(
        self,
        jobs: int,
        work: Work = run_trial_ahead,
        pause_seconds: float = PAUSE_SECONDS,
        here: Work = run_trial,
        on_itself: Callable[[SelfWork], SelfWorkResult] = run_self_work,
        policy: Policy | None = None,
        restore: Restore = engine.bring_up,
        notify: Notify = lambda _: None,
        clear: Clear = engine.sweep,
        overdue: Callable[[TrialSpec], float] = overdue_after,
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        self.jobs, self._pause_seconds, self._here = jobs, pause_seconds, here
        self._on_itself, self._clear, self._overdue, self._over = on_itself, clear, overdue, over
        self._care = FaultPolicy(policy or Policy(), restore, notify)
        self._workers = Workers(jobs, work)
        self._closed = threading.Event()

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        if kind is None:
            self._workers.close()
        else:
            self._workers.kill()

    def measure(
        self, specs: Iterable[TrialSpec], on_result: OnResult, may_start: Callable[[], bool] = lambda: True
    ) -> None:
        """Run trials until each has a result that counts. `on_result` is called for every result, here, one at a time.

        `may_start` is asked before each trial; once it says no, or a trial says that the run's cap is reached, those
        that run are waited for and no other begins. Raises InfraError when one trial fails TRIES times by faults that
        waiting does not mend, and otherwise as `Health.note`.
        """
        queue, running = deque(QueuedTrial(spec) for spec in specs), dict[Worker, RunningTrial]()
        # Nothing is wrong at first: what was measured before ended with a result that counts.
        health = FaultTracker(self._care)
        while queue or running:
            if self._over():
                queue.clear()
            self._begin(queue, running, health, may_start)
            if not (queue or running):
                return
            ended = self._ended(running, self._look_again(queue, running, health))
            for _, result in ended:
                on_result(result)
            for begun, result in ended:
                self._judge(begun.due, result, queue, health)

    def _begin(
        self,
        queue: deque[QueuedTrial],
        running: dict[Worker, RunningTrial],
        health: FaultTracker,
        may_start: Callable[[], bool],
    ) -> None:
        """As many trials as may begin now."""
        while self._workers.free and health.may_begin(len(running)) and (due := _next(queue)):
            if not may_start():
                queue.clear()
                return
            queue.remove(due)
            started_at = datetime.now(UTC).isoformat(timespec="seconds")
            running[self._workers.begin(due.spec)] = RunningTrial(due, time.monotonic(), started_at)

    def _look_again(
        self, queue: deque[QueuedTrial], running: dict[Worker, RunningTrial], health: FaultTracker
    ) -> float:
        """Seconds until there may be something to do though no trial has ended."""
        if not queue or not self._workers.free:
            return LOOK_SECONDS
        soonest = min(due.after for due in queue) - time.monotonic()
        wanted = soonest if soonest > 0 else health.look_again(len(running))
        return min(max(wanted, SHORTEST_LOOK_SECONDS), LOOK_SECONDS)

    def _ended(self, running: dict[Worker, RunningTrial], seconds: float) -> list[tuple[RunningTrial, TrialResult]]:
        """The trials that have ended, died or run for too long, with their results."""
        found = []
        for worker in self._workers.ended(seconds):
            begun, result = running.pop(worker), worker.result()
            if result is None:
                found.append((begun, self._lost(worker, begun, worker.describe_end())))
                continue
            self._workers.rest(worker)
            found.append((begun, result))
        now = time.monotonic()
        for worker, begun in list(running.items()):
            if now - begun.since > (bound := self._overdue(begun.due.spec)):
                del running[worker]
                found.append((begun, self._lost(worker, begun, f"it hung: killed after {bound:.0f} s")))
        return found

    def _lost(self, worker: Worker, begun: RunningTrial, why: str) -> TrialResult:
        """The result of a trial whose worker is dead, or is killed now; what that left in the engine goes later."""
        self._workers.drop(worker)
        spec = begun.due.spec
        reaper().later(functools.partial(self._cleared, spec.owner, worker.pid))
        return TrialResult(
            candidate=spec.candidate,
            task=spec.task.name,
            split=spec.task.split,
            attempt=spec.attempt,
            seed=spec.seed,
            outcome=Outcome.INFRA_ERROR,
            reward=None,
            usage=Usage(),
            started_at=begun.started_at,
            seconds=round(time.monotonic() - begun.since, 3),
            detail=why,
            verifier=spec.task.verifier,
            fault=Fault.OTHER,
        )

    def _cleared(self, owner: str, pid: int) -> None:
        with contextlib.suppress(InfraError):  # the run's own sweep finds what is left
            self._clear(owner, pid)

    def _judge(self, due: QueuedTrial, result: TrialResult, queue: deque[QueuedTrial], health: FaultTracker) -> None:
        """What becomes of a trial after its result, and of those that wait."""
        if result.fault is Fault.CAP:
            queue.clear()
            return
        if result.outcome is Outcome.INFRA_ERROR:
            queue.appendleft(self._again(due, result.fault, result.detail))
        health.note(result.fault, result.detail)

    def _again(self, due: QueuedTrial, fault: Fault, detail: str) -> QueuedTrial:
        """The trial once more, after a pause. Raises InfraError."""
        if fault in BREAKING:
            # The breaker knows when the machine is out; this is for a trial that fails alone, while others go well.
            pause = min(self._pause_seconds * 2.0 ** min(due.faults, MOST_DOUBLINGS), self._care.policy.longest_pause)
            return replace(due, after=time.monotonic() + pause, faults=due.faults + 1)
        if due.tries == TRIES:
            raise InfraError(f"{due.spec.task.name}: {TRIES} tries failed; the last: {_last_line(detail)}")
        return replace(due, after=time.monotonic() + self._pause_seconds * due.tries, tries=due.tries + 1)

    def run_one(self, spec: TrialSpec) -> TrialResult:
        """One trial, in this process, until it has a result that counts.

        Raises BudgetExhausted where the run's cap ended it, and otherwise as `measure` does.
        """
        due, health = QueuedTrial(spec), FaultTracker(self._care)
        while True:
            self._wait(due, health)
            result = self._here(spec)
            if result.outcome is not Outcome.INFRA_ERROR:
                health.note(Fault.NONE, "")
                return result
            check_cap(result.fault, result.detail)
            due = self._again(due, result.fault, result.detail)
            health.note(result.fault, result.detail)

    def run_self_work(self, work: SelfWork) -> SelfWorkResult:
        """A scaffold's work on itself, in this process, tried again as `once` does.

        What lost tries spent is counted.
        """
        due, health, spent = QueuedTrial(work.spec), FaultTracker(self._care), Usage()
        while True:
            self._wait(due, health)
            try:
                done = self._on_itself(work)
                health.note(Fault.NONE, "")
                return replace(done, usage=done.usage + spent)
            except InfraError as error:
                fault = fault_of(error)
                if isinstance(error, ChargedFault):
                    fault, spent = fault_of(error.why), spent + error.usage
                check_cap(fault, str(error))
                if due.tries == TRIES and fault not in BREAKING:
                    raise
                due = self._again(due, fault, str(error))
                health.note(fault, str(error))

    def _wait(self, due: QueuedTrial, health: FaultTracker) -> None:
        """Until a single trial may begin. Raises KeyboardInterrupt if the user has asked for the end."""
        while due.after > time.monotonic() or not health.may_begin(0):
            left = due.after - time.monotonic()
            self._closed.wait(max(left if left > 0 else health.look_again(0), SHORTEST_LOOK_SECONDS))
            if self._closed.is_set():
                raise InfraError("the run has ended")
            if self._over():
                raise KeyboardInterrupt


def _next(queue: deque[QueuedTrial]) -> QueuedTrial | None:
    """The first trial that need not wait any longer."""
    now = time.monotonic()
    return next((due for due in queue if due.after <= now), None)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no detail"
