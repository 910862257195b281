"""Epochs as the gate sees them: when what answers a run's trials has changed, scores before and after don't compare.

`core.epochs` tells people of changes, in the order of the rows, and not before the conditions were calm. The gate sees
trials stage by stage, and the order in which those of a stage end is chance; a needless epoch costs it some trials, a
missed one a false champion. So here every new value begins an epoch, as long as a condition has few.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evolve.core.epochs import conditions
from evolve.core.records import TrialResult

# Some endpoints send another fingerprint with every answer: after so many values of a condition, others begin no epoch.
MOST_VALUES = 5

Mark = tuple[str, str]


@dataclass(frozen=True)
class Epochs:
    """What a run's trials have shown so far of what answers them: pairs of a condition and a value."""

    known: frozenset[Mark] = frozenset()

    def with_trials(self, trials: Iterable[TrialResult]) -> Epochs:
        """After these trials."""
        return Epochs(self.known | _marks(trials))

    def begins_with(self, trials: Iterable[TrialResult]) -> bool:
        """Whether one of these trials shows another model, version or image than all trials before.

        An endpoint that changes between values that it had before begins no epoch.
        """
        kinds = [what for what, _ in self.known]
        new = _marks(trials) - self.known
        return any(1 <= kinds.count(what) < MOST_VALUES for what, _ in new)


def _marks(trials: Iterable[TrialResult]) -> frozenset[Mark]:
    return frozenset(
        (what, value) for trial in trials for what, (values, _) in conditions(trial).items() for value in values
    )
