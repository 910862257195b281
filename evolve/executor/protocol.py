"""The protocol of whatever runs trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from evolve.core.records import TrialResult, TrialSpec
from evolve.trial.self_work import SelfWork, SelfWorkResult

OnResult = Callable[[TrialResult], None]


def always() -> bool:
    """Whether a trial may start, where nothing forbids it."""
    return True


class Executor(Protocol):
    """Run trials. `Evaluator` runs them in containers on this machine.

    Any other executor makes the trials' environments itself, from the folders of task and scaffold: the images of its
    specs are empty, and Evolve needs no container engine.
    """

    @property
    def jobs(self) -> int:
        """The number of trials that run at once, for estimates of time."""
        ...

    def measure(self, specs: Iterable[TrialSpec], on_result: OnResult, may_start: Callable[[], bool] = always) -> None:
        """Run trials until each has a result that counts, or has ended in `Fault.GRADER` a bounded number of times.

        Args:
            specs: The trials, in any order.
            on_result: Called for every result, in this thread, one at a time.
            may_start: Asked before each trial; once it returns False, no other trial starts.

        Raises:
            InfraError: The machine failed; the run can be resumed.
        """
        ...

    def run_one(self, spec: TrialSpec) -> TrialResult:
        """Run one trial whose model never answers, to see whether the scaffold starts.

        Returns:
            A result; its outcome is SCAFFOLD_ERROR if the scaffold does not start.
        """
        ...

    def run_self_work(self, work: SelfWork) -> SelfWorkResult:
        """Run a scaffold's work on its own files, for `--proposer self`."""
        ...
