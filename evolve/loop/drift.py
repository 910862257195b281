"""Notice when the conditions of a run change: another model behind the endpoint's name, or rebuilt images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from evolve.core.records import TrialCondition

# Some endpoints send another fingerprint with every answer: after so many values, further ones are only recorded.
MOST_VALUES = 5
# With so many of its latest trials a resumed run starts.
DRIFT_TRIALS = 1_000


class Conditioned(Protocol):
    """What of a trial shows by what it was answered, and where it ran."""

    @property
    def task(self) -> str: ...
    @property
    def condition(self) -> TrialCondition | None: ...


class Drift:
    """What the trials of a run have been answered by, and where they ran."""

    def __init__(self, trials: Iterable[Conditioned] = ()) -> None:
        """Start with the run's latest trials, so that a resumed run reports nothing twice."""
        self._known: dict[str, list[str]] = {}
        for trial in trials:
            self.add(trial)

    def add(self, trial: Conditioned) -> list[str]:
        """Add a trial; returns one line for each value that no trial before it had."""
        before = {what: values[-1] for what, values in self._known.items()}
        lines = []
        for what, value in _facts(trial):
            known = self._known.setdefault(what, [])
            if value not in known:
                known.append(value)
                if what in before and len(known) <= MOST_VALUES:
                    lines.append(f"{what} {value} (before: {before[what]})")
        return lines


def _facts(trial: Conditioned) -> Iterator[tuple[str, str]]:
    condition = trial.condition
    if condition is None:
        return
    yield from (("the endpoint now answers as", name) for name in condition.endpoint_models)
    yield from (("the endpoint's fingerprint is now", name) for name in condition.fingerprints)
    images = {"the scaffolds' image": condition.base_image, f"the image of {trial.task}": condition.task_image}
    yield from ((f"{what} is now", image) for what, image in images.items() if image)
