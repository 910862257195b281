"""Epochs: stretches of a run in which the same model answered on the same images, as far as its trials show."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evolve.core.records import Scored, TrialCondition

# An endpoint with several servers shows several names or fingerprints by turns: only a new one after a calm counts.
CALM_TRIALS = 20
# Of a difference that no more than one pair of stretches in a thousand shows without a change.
CLEAR_Z = 3.29


@dataclass(frozen=True)
class Change:
    """A change of a run's conditions. `trial`: place of the first trial after it; `what`: in words."""

    trial: int
    what: str


@dataclass
class _Known:
    """The values of one condition in this epoch, and for how many of its trials there was no new one."""

    values: dict[str, None] = field(default_factory=dict)
    calm: int = 0


class Conditioned(Protocol):
    """What of a trial tells its epoch."""

    @property
    def task(self) -> str: ...
    @property
    def condition(self) -> TrialCondition | None: ...


def changes(trials: Iterable[Conditioned]) -> list[Change]:
    """The changes at which a new epoch begins.

    One begins with a trial that shows a value which none had before it in its epoch: another image, or, after 20 trials
    without a new one, another model name or fingerprint of the endpoint's.

    Args:
        trials: All trials of a run, in the order of their rows.
    """
    known: dict[str, _Known] = {}
    found = []
    for place, trial in enumerate(trials):
        if change := _change(known, trial):
            found.append(Change(place, change))
            known = {}
            _change(known, trial)
    return found


def epochs(trials: Sequence[Conditioned]) -> list[int]:
    """The epoch of each trial; the first is 0. `trials`: all of a run, in the order of their rows."""
    starts = [change.trial for change in changes(trials)]
    return [bisect_right(starts, place) for place in range(len(trials))]


def _change(known: dict[str, _Known], trial: Conditioned) -> str:
    """Note a trial's conditions; returns what changed, "" for nothing."""
    for what, (values, calm) in conditions(trial).items():
        seen = known.setdefault(what, _Known())
        new = [value for value in values if value not in seen.values]
        if new and seen.values and seen.calm >= calm:
            return f"{what}: {next(reversed(seen.values))} -> {new[0]}"
        seen.values |= dict.fromkeys(values)
        seen.calm = 0 if new else seen.calm + 1
    return ""


def conditions(trial: Conditioned) -> Mapping[str, tuple[Sequence[str], int]]:
    """The values of each condition, and after how many trials without a new one a new one counts."""
    condition = trial.condition
    if condition is None:
        return {}
    images = {"the scaffolds' image": condition.base_image, f"the image of {trial.task}": condition.task_image}
    endpoint = {"the model's name": condition.endpoint_models, "the endpoint's fingerprint": condition.fingerprints}
    return {
        **{what: (values, CALM_TRIALS) for what, values in endpoint.items() if values},
        **{what: ((image,), 0) for what, image in images.items() if image},
    }


def differs(earlier: Iterable[Scored], later: Iterable[Scored]) -> bool:
    """Whether one scaffold's rewards differ clearly between two stretches (A/A): then something else has changed.

    The difference is the mean over tasks that both have, its error from the spread within tasks; 3.29 errors are clear.

    Args:
        earlier: Trials of the scaffold.
        later: Further trials of the same scaffold.
    """
    old, new = (_by_task(trials) for trials in (earlier, later))
    pairs = [(old[task], new[task]) for task in old.keys() & new.keys()]
    difference = sum(_mean(b) - _mean(a) for a, b in pairs)
    error2 = sum(_pooled_variance(a, b) * (1 / len(a) + 1 / len(b)) for a, b in pairs)
    return abs(difference) > CLEAR_Z * math.sqrt(error2) if error2 else bool(difference)


def _by_task(trials: Iterable[Scored]) -> dict[str, list[float]]:
    rewards: dict[str, list[float]] = {}
    for trial in trials:
        if trial.reward is not None:
            rewards.setdefault(trial.task, []).append(trial.reward)
    return rewards


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _pooled_variance(one: Sequence[float], other: Sequence[float]) -> float:
    """Of single rewards about the mean of both; Bessel's correction, so that few trials do not look calm."""
    values = [*one, *other]
    mean = _mean(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)
