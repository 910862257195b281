"""Many trials at once, each in a process of its own; infrastructure errors are tried again."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from types import TracebackType

from evolve.errors import InfraError
from evolve.records import Outcome, TrialResult, TrialSpec, Usage
from evolve.selfwork import Done, do_work
from evolve.selfwork import Work as SelfWork
from evolve.trial import ChargedFault, run_trial, run_trial_ahead

TRIES = 3
PAUSE_SECONDS = 2.0
PR_SET_PDEATHSIG = 1

OnResult = Callable[[TrialResult], None]
Work = Callable[[TrialSpec], TrialResult]


def default_jobs() -> int:
    """As many trials at once as there are processors for them."""
    return max(1, len(os.sched_getaffinity(0)))


class Evaluator:
    """A pool of worker processes for a whole run. Use as a context manager.

    work: a function of a module, so that the workers can import it; pause_seconds: before the second try; here: runs a
    trial in this process.
    """

    def __init__(
        self,
        jobs: int,
        work: Work = run_trial_ahead,
        pause_seconds: float = PAUSE_SECONDS,
        here: Work = run_trial,
        on_itself: Callable[[SelfWork], Done] = do_work,
    ) -> None:
        self.jobs, self._work, self._pause_seconds, self._here = jobs, work, pause_seconds, here
        self._on_itself = on_itself
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_begin_worker, initargs=(os.getpid(),))

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stop_workers()
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def _stop_workers(self) -> None:
        """Trials that run are dropped: they have no row, and their containers are swept."""
        for process in list((self._pool._processes or {}).values()):
            process.terminate()

    def measure(
        self, specs: Iterable[TrialSpec], on_result: OnResult, may_start: Callable[[], bool] = lambda: True
    ) -> None:
        """Run trials until each has a result that counts. `on_result` is called for every result, here, one at a time.

        `may_start` is asked before each trial; once it says no, those that run are waited for and no other begins.
        Raises InfraError when one trial meets infrastructure errors TRIES times.
        """
        queue = deque((spec, 1) for spec in specs)
        running: dict[Future[TrialResult], tuple[TrialSpec, int]] = {}
        while queue or running:
            while queue and len(running) < self.jobs:
                if not may_start():
                    queue.clear()
                    break
                spec, tries = queue.popleft()
                running[self._pool.submit(self._work, spec)] = (spec, tries)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                spec, tries = running.pop(future)
                result = _result_of(future)
                on_result(result)
                if result.outcome is Outcome.INFRA_ERROR:
                    queue.appendleft(self._again(spec, tries, result))

    def once(self, spec: TrialSpec) -> TrialResult:
        """One trial, in this process, until it has a result that counts. Raises InfraError as `measure` does."""
        tries = 1
        while (result := self._here(spec)).outcome is Outcome.INFRA_ERROR:
            spec, tries = self._again(spec, tries, result)
        return result

    def work_on_itself(self, work: SelfWork) -> Done:
        """A scaffold's work on itself, in this process, tried again as `once` does; what lost tries spent is counted.

        Raises InfraError when TRIES of them fail.
        """
        spent = Usage()
        for tries in range(1, TRIES + 1):
            try:
                done = self._on_itself(work)
                return replace(done, usage=done.usage + spent)
            except InfraError as error:
                if tries == TRIES:
                    raise
                spent += error.usage if isinstance(error, ChargedFault) else Usage()
                time.sleep(self._pause_seconds * tries)
        raise AssertionError("the last try returns or raises")

    def _again(self, spec: TrialSpec, tries: int, result: TrialResult) -> tuple[TrialSpec, int]:
        """The trial once more, after a pause."""
        if tries == TRIES:
            raise InfraError(f"{spec.task.name}: {TRIES} tries failed; the last: {_first_line(result.detail)}")
        time.sleep(self._pause_seconds * tries)
        return spec, tries + 1


def _result_of(future: Future[TrialResult]) -> TrialResult:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise InfraError("a worker process was killed; run the same command again to go on") from error


def _begin_worker(parent: int) -> None:
    """A worker ends with its parent, however that ends, and leaves interrupts to it.

    An interrupt from the terminal reaches the whole group; the main process alone decides.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no detail"
