"""The score of trials: a mean with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from evolve.core.records import TrialResult


class Score(NamedTuple):
    """A mean reward in [0, 1], and the half width of its 95 % interval."""

    mean: float
    half_width: float

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width


def score(trials: Iterable[TrialResult]) -> Score | None:
    """The mean over tasks of the mean reward, and the half width of its 95 % interval.

    The interval is 1.96 standard errors over tasks: sd of the tasks' means / sqrt(tasks).

    Returns:
        None if no trial counts.
    """
    by_task: dict[str, list[float]] = {}
    for trial in trials:
        if trial.reward is not None:
            by_task.setdefault(trial.task, []).append(trial.reward)
    means = [sum(rewards) / len(rewards) for rewards in by_task.values()]
    if not means:
        return None
    mean = sum(means) / len(means)
    variance = sum((m - mean) ** 2 for m in means) / max(len(means) - 1, 1)
    return Score(mean, 1.96 * math.sqrt(variance / len(means)))
