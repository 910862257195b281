"""Epochs: when what answers a run's trials has changed, scores before and after are not compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evolve.core.records import TrialResult

# Some endpoints send another fingerprint with every answer: after so many values of a kind, others begin no epoch.
MOST_VALUES = 5

Mark = tuple[str, str]


@dataclass(frozen=True)
class Epochs:
    """What a run's trials have shown so far of what answers them: pairs of a kind and a value."""

    known: frozenset[Mark] = frozenset()

    def with_trials(self, trials: Iterable[TrialResult]) -> Epochs:
        """After these trials."""
        return Epochs(self.known | _marks(trials))

    def begins_with(self, trials: Iterable[TrialResult]) -> bool:
        """Whether one of these trials shows another model, version or image than all trials before.

        An endpoint that changes between values that it had before begins no epoch.
        """
        kinds = [kind for kind, _ in self.known]
        new = _marks(trials) - self.known
        return any(1 <= kinds.count(kind) < MOST_VALUES for kind, _ in new)


def _marks(trials: Iterable[TrialResult]) -> frozenset[Mark]:
    conditions = [trial.condition for trial in trials if trial.condition]
    by_kind = {
        "model": [name for condition in conditions for name in condition.endpoint_models],
        "fingerprint": [name for condition in conditions for name in condition.fingerprints],
        "image": [condition.base_image for condition in conditions if condition.base_image],
    }
    return frozenset((kind, value) for kind, values in by_kind.items() for value in values)
