"""How long trials take by task, so that the longest start first and no stage waits for a late one."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from evolve.core.records import TrialResult
from evolve.gate import Slot

# Of the newest trial in a task's expected seconds: a run's scaffolds change, and trials with them.
NEWEST = 0.5


class Durations:
    """The expected seconds of a trial at each task, by the trials that this process has seen."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def add(self, trial: TrialResult) -> None:
        """Learn from a trial; one that ended by a fault of the machine tells nothing."""
        if trial.counts:
            before = self._seconds.get(trial.task, trial.seconds)
            self._seconds[trial.task] = (1 - NEWEST) * before + NEWEST * trial.seconds

    def longest_first(self, slots: Iterable[Slot]) -> list[Slot]:
        """The slots in the order in which their trials should start (Graham 1969, SIAM J. Appl. Math. 17:416).

        Tasks without a trial so far count as average; equals keep their order.
        """
        usual = statistics.fmean(self._seconds.values()) if self._seconds else 0.0
        return sorted(slots, key=lambda slot: -self._seconds.get(slot[0], usual))
