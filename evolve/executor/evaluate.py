"""Run many trials at once, each in its own process; wait out or retry faults of the machine."""

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

from evolve.budget.rate import longest_wait
from evolve.core.errors import InfraError
from evolve.core.records import Fault, Outcome, TrialResult, TrialSpec, Usage
from evolve.core.text import last_line
from evolve.executor.concurrency import Pace
from evolve.executor.fault_policy import (
    MAX_DETAIL,
    FaultPolicy,
    FaultTracker,
    Notify,
    OnWait,
    Restore,
    check_cap,
    ignore_wait,
)
from evolve.executor.protocol import OnResult, always
from evolve.executor.workers import Work, Worker, Workers
from evolve.host.circuit_breaker import MAX_DOUBLINGS, OUTAGE_FAULTS, Policy
from evolve.host.platform import usable_processors
from evolve.sandbox import engine
from evolve.sandbox.cleanup import reaper
from evolve.trial.grading import MOST_GRADINGS, MOST_SOLVED, MOST_TRIES
from evolve.trial.run import SPARE_SECONDS, run_trial, run_trial_ahead, trial_seconds
from evolve.trial.scaffold_run import ChargedFault, fault_of
from evolve.trial.self_work import SelfWork, SelfWorkResult, run_self_work
from evolve.trial.solution import solve_seconds

TRIES = 3
PAUSE_SECONDS = 2.0
# What a trial may lose to a failing endpoint, and to an engine that is busy with it, before it counts as stuck.
LOST_SECONDS = 1800.0
POLL_SECONDS = 1.0
SHORTEST_POLL_SECONDS = 0.01

Sweep = Callable[[str, int], object]
ChargeDead = Callable[[str, int], Usage]


def default_jobs() -> int:
    """The number of trials to run at once where this machine's processors do the work: one for each of them."""
    return usable_processors()


def overdue_after(spec: TrialSpec) -> float:
    """Seconds after which a trial counts as stuck: its own limits and a generous allowance."""
    waits = max(longest_wait(model, spec.limits) for model in spec.models)
    # Its own state and the untouched one may both be graded as often as that, and what the solution leaves.
    tests = sum(step.verifier.seconds for step in spec.task.format.steps) or spec.task.verifier_seconds
    seconds = trial_seconds(spec.task, spec.limits.seconds) + 2 * MOST_GRADINGS * tests
    if spec.task.format.harbor and spec.task.format.solved:  # another one's time is short
        seconds += MOST_SOLVED * trial_seconds(spec.task, solve_seconds(spec.task))
    return seconds + SPARE_SECONDS + LOST_SECONDS + waits


@dataclass(frozen=True)
class QueuedTrial:
    """A trial that waits for its `tries`-th try, not before the monotonic time `after`.

    `faults`: how often the endpoint or the engine failed it; these are not tries. `voided`: how often the endpoint did.
    `ungraded`: how often it could not be graded; these are not tries either.
    """

    spec: TrialSpec
    tries: int = 1
    after: float = 0.0
    faults: int = 0
    voided: int = 0
    ungraded: int = 0

    def trial(self, concurrency: int) -> TrialSpec:
        """The trial as it is started beside others."""
        return replace(self.spec, concurrency=concurrency, voided=self.voided, ungraded=self.ungraded)


@dataclass(frozen=True)
class RunningTrial:
    """A trial at work; `since` is monotonic time, `started_at` a timestamp, `cuts` those of the pace at its start."""

    queued: QueuedTrial
    since: float
    started_at: str
    cuts: int


class Evaluator:
    """A pool of worker processes for a whole run. Use as a context manager.

    Args:
        jobs: most trials at once; fewer run while the model's API refuses or delays their calls.
        work: runs a trial in a worker; a module-level function, so that workers can import it.
        pause_seconds: pause before the second try; later ones are longer.
        run_inline: runs a trial in this process.
        do_self_work: runs a scaffold's work on itself in this process.
        policy, restore, notify, on_wait: see `FaultPolicy`.
        on_pace: called with the number of trials that may run at once, whenever it changes.
        sweep: removes what a dead worker left in the engine, given the owner and the worker's process id.
        overdue: seconds after which a trial counts as stuck.
        should_stop: whether the user asked to stop; then only the running trials are waited for.
        charge_dead: charges what a dead worker was spending, given its trial's key and its process id; returns all that
            the trial spent.
        first_jobs: number of trials at once at the start; None: `jobs`.

    Attributes:
        jobs: number of trials that may run at once now.
    """

    def __init__(
        self,
        jobs: int,
        work: Work = run_trial_ahead,
        pause_seconds: float = PAUSE_SECONDS,
        run_inline: Work = run_trial,
        do_self_work: Callable[[SelfWork], SelfWorkResult] = run_self_work,
        policy: Policy | None = None,
        restore: Restore = engine.bring_up,
        notify: Notify = lambda _: None,
        sweep: Sweep = engine.sweep,
        overdue: Callable[[TrialSpec], float] = overdue_after,
        should_stop: Callable[[], bool] = lambda: False,
        charge_dead: ChargeDead = lambda _key, _pid: Usage(),
        first_jobs: int | None = None,
        on_wait: OnWait = ignore_wait,
        on_pace: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._pause_seconds, self._run_inline = pause_seconds, run_inline
        self._do_self_work, self._sweep, self._overdue, self._should_stop = do_self_work, sweep, overdue, should_stop
        self._fault_policy = FaultPolicy(policy or Policy(), restore, notify, on_wait)
        self._on_pace = on_pace
        self._charge_dead = charge_dead
        self._pace = Pace(jobs, jobs if first_jobs is None else first_jobs)
        self.jobs = self._fewest = self._pace.limit
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

    def measure(self, specs: Iterable[TrialSpec], on_result: OnResult, may_start: Callable[[], bool] = always) -> None:
        """Run trials until each has a result that counts, or could not be graded MOST_TRIES times.

        Args:
            on_result: called for every result, in this thread, one at a time.
            may_start: asked before each trial. Once it returns False, or a trial reports that the run's cap is
                reached, no other trial starts and the running ones are waited for.

        Raises:
            InfraError: a trial failed TRIES times by faults that waiting does not fix; also as `FaultTracker.note`.
        """
        queue, running = deque(QueuedTrial(spec) for spec in specs), dict[Worker, RunningTrial]()
        tracker = FaultTracker(self._fault_policy)
        while queue or running:
            if self._should_stop():
                queue.clear()
            self._start_trials(queue, running, tracker, may_start)
            if not (queue or running):
                return
            ended = self._collect(running, self._poll_seconds(queue, running, tracker))
            self._adapt_pace(ended, len(running) + len(ended))
            for _, result in ended:
                on_result(result)
            for trial, result in ended:
                self._handle_result(trial.queued, result, queue, tracker)

    def _start_trials(
        self,
        queue: deque[QueuedTrial],
        running: dict[Worker, RunningTrial],
        tracker: FaultTracker,
        may_start: Callable[[], bool],
    ) -> None:
        """Start as many trials as may start now."""
        while self._has_room(running) and tracker.may_start(len(running)) and (queued := _next_ready(queue)):
            if not may_start():
                queue.clear()
                return
            concurrency = min(self.jobs, len(running) + len(queue))
            spec = queued.trial(concurrency)
            queue.remove(queued)
            started_at = datetime.now(UTC).isoformat(timespec="seconds")
            running[self._workers.start(spec)] = RunningTrial(queued, time.monotonic(), started_at, self._pace.cuts)

    def _has_room(self, running: dict[Worker, RunningTrial]) -> bool:
        return self._workers.free and len(running) < self.jobs

    def _adapt_pace(self, ended: list[tuple[RunningTrial, TrialResult]], running: int) -> None:
        """Adapt the number of trials at once to what ended while `running` trials ran.

        Each new minimum is reported, except after a fault, which the tracker reports.
        """
        for trial, result in ended:
            self._pace = self._pace.after(result, trial.cuts, running)
            if self.jobs != self._pace.limit:
                self.jobs = self._pace.limit
                self._on_pace(self.jobs)
            if result.counts and self.jobs < self._fewest:
                self._fewest = self.jobs
                self._fault_policy.notify(f"calls of the model are refused or delayed; trials at once: {self.jobs}")

    def _poll_seconds(
        self, queue: deque[QueuedTrial], running: dict[Worker, RunningTrial], tracker: FaultTracker
    ) -> float:
        """Seconds after which another trial may be able to start although none has ended."""
        if not queue or not self._has_room(running):
            return POLL_SECONDS
        soonest = min(queued.after for queued in queue) - time.monotonic()
        wanted = soonest if soonest > 0 else tracker.poll_seconds(len(running))
        return min(max(wanted, SHORTEST_POLL_SECONDS), POLL_SECONDS)

    def _collect(self, running: dict[Worker, RunningTrial], seconds: float) -> list[tuple[RunningTrial, TrialResult]]:
        """Wait for trials to end; returns those that ended, died or ran for too long, with their results."""
        ended = []
        for worker in self._workers.wait(seconds):
            trial, result = running.pop(worker), worker.result()
            if result is None:
                ended.append((trial, self._abandon(worker, trial, worker.describe_end())))
                continue
            self._workers.release(worker)
            ended.append((trial, result))
        now = time.monotonic()
        for worker, trial in list(running.items()):
            if now - trial.since > (bound := self._overdue(trial.queued.spec)):
                del running[worker]
                ended.append(
                    (trial, self._abandon(worker, trial, f"the trial hung and was killed after {bound:.0f} s"))
                )
        return ended

    def _abandon(self, worker: Worker, trial: RunningTrial, reason: str) -> TrialResult:
        """Kill the trial's worker if it lives, charge what it was spending, and sweep its containers later.

        Returns:
            The trial's result.
        """
        self._workers.drop(worker)
        spec = trial.queued.spec
        reaper().schedule(functools.partial(self._sweep_worker, spec.owner, worker.pid))
        return TrialResult(
            candidate=spec.candidate,
            task=spec.task.name,
            split=spec.task.split,
            attempt=spec.attempt,
            seed=spec.seed,
            outcome=Outcome.INFRA_ERROR,
            reward=None,
            usage=self._charge_dead(spec.key, worker.pid),
            started_at=trial.started_at,
            seconds=round(time.monotonic() - trial.since, 3),
            detail=reason,
            verifier=spec.task.verifier,
            fault=Fault.OTHER,
        )

    def _sweep_worker(self, owner: str, pid: int) -> None:
        with contextlib.suppress(InfraError):  # the run's own sweep finds what is left
            self._sweep(owner, pid)

    def _handle_result(
        self, queued: QueuedTrial, result: TrialResult, queue: deque[QueuedTrial], tracker: FaultTracker
    ) -> None:
        """Queue the trial again after an infrastructure error; drop the queue at the run's cap."""
        if result.fault is Fault.CAP:
            queue.clear()
            return
        again = None if result.counts else self._retry(queued, result.fault, result.detail)
        if again:
            queue.appendleft(again)
        tracker.note(result.fault, result.detail)

    def _retry(self, queued: QueuedTrial, fault: Fault, detail: str) -> QueuedTrial | None:
        """The trial's next try, after a pause; None if it can't be graded. Raises InfraError after the last."""
        if fault is Fault.GRADER:
            return self._retry_ungraded(queued, detail)
        if fault in OUTAGE_FAULTS:
            # The breaker handles outages; this pause is for a trial that fails alone while others succeed.
            longest = self._fault_policy.policy.longest_pause
            pause = min(self._pause_seconds * 2.0 ** min(queued.faults, MAX_DOUBLINGS), longest)
            voided = queued.voided + (fault is Fault.ENDPOINT)
            return replace(queued, after=time.monotonic() + pause, faults=queued.faults + 1, voided=voided)
        if queued.tries == TRIES:
            last = last_line(detail, default="no detail")
            raise InfraError(f"{queued.spec.task.name}: {TRIES} tries failed; the last: {last}")
        return replace(queued, after=time.monotonic() + self._pause_seconds * queued.tries, tries=queued.tries + 1)

    def _retry_ungraded(self, queued: QueuedTrial, detail: str) -> QueuedTrial | None:
        ungraded = queued.ungraded + 1
        if ungraded == MOST_TRIES:
            name, attempt = queued.spec.task.name, queued.spec.attempt
            last = last_line(detail, default="no detail")[:MAX_DETAIL]
            self._fault_policy.notify(f"{name}, attempt {attempt}: no grade in {MOST_TRIES} tries ({last}): left out")
            return None
        return replace(queued, after=time.monotonic() + self._pause_seconds * ungraded, ungraded=ungraded)

    def run_one(self, spec: TrialSpec) -> TrialResult:
        """Run one trial in this process until it has a result that counts.

        Raises:
            InfraError: also if the trial can't be graded.
            BudgetExhausted: the run's cap ended it; otherwise as `measure`.
        """
        queued, tracker = QueuedTrial(spec), FaultTracker(self._fault_policy)
        while True:
            self._wait(queued, tracker)
            result = self._run_inline(queued.trial(spec.concurrency))
            if result.outcome is not Outcome.INFRA_ERROR:
                tracker.note(Fault.NONE, "")
                return result
            check_cap(result.fault, result.detail)
            queued = self._retried(queued, result.fault, result.detail)
            tracker.note(result.fault, result.detail)

    def run_self_work(self, work: SelfWork) -> SelfWorkResult:
        """Run a scaffold's work on itself in this process, retried like `run_one`.

        Returns:
            The result, with the usage of failed tries included.
        """
        queued, tracker, spent = QueuedTrial(work.spec), FaultTracker(self._fault_policy), Usage()
        while True:
            self._wait(queued, tracker)
            try:
                result = self._do_self_work(replace(work, spec=replace(work.spec, voided=queued.voided)))
                tracker.note(Fault.NONE, "")
                return replace(result, usage=result.usage + spent)
            except InfraError as error:
                fault = fault_of(error)
                if isinstance(error, ChargedFault):
                    fault, spent = fault_of(error.why), spent + error.usage
                check_cap(fault, str(error))
                if queued.tries == TRIES and fault not in OUTAGE_FAULTS:
                    raise
                queued = self._retried(queued, fault, str(error))
                tracker.note(fault, str(error))

    def _retried(self, queued: QueuedTrial, fault: Fault, detail: str) -> QueuedTrial:
        """The next try of a trial that is needed. Raises InfraError after the last."""
        if (again := self._retry(queued, fault, detail)) is None:
            raise InfraError(f"{queued.spec.task.name} could not be graded: {last_line(detail, default='no detail')}")
        return again

    def _wait(self, queued: QueuedTrial, tracker: FaultTracker) -> None:
        """Wait until a single trial may start. Raises KeyboardInterrupt if the user asked to stop."""
        while queued.after > time.monotonic() or not tracker.may_start(0):
            left = queued.after - time.monotonic()
            self._closed.wait(max(left if left > 0 else tracker.poll_seconds(0), SHORTEST_POLL_SECONDS))
            if self._closed.is_set():
                raise InfraError("the run has ended")
            if self._should_stop():
                raise KeyboardInterrupt


def _next_ready(queue: deque[QueuedTrial]) -> QueuedTrial | None:
    """The first trial whose pause is over."""
    now = time.monotonic()
    return next((queued for queued in queue if queued.after <= now), None)
