"""How many of the planned attempts could be graded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evolve.core.records import TrialResult


@dataclass(frozen=True)
class Coverage:
    """How many attempts have a trial that counts, of how many that were planned."""

    graded: int = 0
    planned: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.graded <= self.planned:
            raise ValueError(f"of {self.planned} attempts, {self.graded} can't be graded")

    @property
    def complete(self) -> bool:
        return self.graded == self.planned

    def __str__(self) -> str:
        return f"{self.graded} of {self.planned}"


def coverage(trials: Iterable[TrialResult], planned: int = 0) -> Coverage:
    """The coverage of attempts (task and number) of one scaffold.

    Args:
        planned: How many were planned; those that were started are planned in any case.
    """
    started, graded = set(), set()
    for trial in trials:
        started.add((trial.task, trial.attempt))
        if trial.counts:
            graded.add((trial.task, trial.attempt))
    return Coverage(len(graded), max(planned, len(started)))
