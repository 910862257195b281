"""The score of trials: a mean with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import NamedTuple

from evolve.core.records import Outcome, Scored, Split

# A gap below this is not worth a warning, however precisely it is known.
LEAST_GAP = 0.05
CLEAR_ERRORS = 2.0
# Standard errors in the half width of a 95 % interval: what stands behind every `±`.
INTERVAL_ERRORS = 1.96


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


def score(trials: Iterable[Scored]) -> Score | None:
    """The mean over tasks of the mean reward, and the half width of its 95 % interval.

    The interval is 1.96 standard errors over tasks: sd of the tasks' means / sqrt(tasks).

    Returns:
        None if no trial counts.
    """
    means = list(_task_means(trials).values())
    if not means:
        return None
    mean = sum(means) / len(means)
    spread = sum((m - mean) ** 2 for m in means) / max(len(means) - 1, 1)
    return Score(mean, INTERVAL_ERRORS * math.sqrt(spread / len(means)))


def all_attempts(trials: Iterable[Scored]) -> float | None:
    """The share of tasks that pass on each of their attempts: pass^k over the k attempts of a task.

    Returns:
        None if no trial counts, or no task has a second attempt.
    """
    by_task: dict[str, list[bool]] = {}
    for trial in trials:
        if trial.counts:
            by_task.setdefault(trial.task, []).append(trial.outcome is Outcome.PASSED)
    if max(map(len, by_task.values()), default=0) < 2:
        return None
    return fmean(all(passes) for passes in by_task.values())


@dataclass(frozen=True)
class Gap:
    """The gains of a scaffold over the seed scaffold, in mean reward, on train and on validation.

    `error`: the standard error of the difference of the two gains.
    """

    train: float
    validation: float
    error: float

    @property
    def widened(self) -> bool:
        """Whether train gained clearly more than validation."""
        return self.train - self.validation > max(CLEAR_ERRORS * self.error, LEAST_GAP)


def gap(seed: Iterable[Scored], scaffold: Iterable[Scored]) -> Gap | None:
    """Compare a scaffold with the seed scaffold on each split, task by task.

    The error is Welch's, of the difference of two means with unequal variances (Welch 1947, Biometrika 34:28); the
    values are the tasks' differences, so it covers the luck of trials and the choice of tasks.

    Args:
        seed: Trials of the seed scaffold.
        scaffold: Trials of the other.

    Returns:
        None if they do not share two tasks of each split.
    """
    before, after = list(seed), list(scaffold)
    train, validation = (_gains(before, after, split) for split in (Split.TRAIN, Split.VALIDATION))
    if min(len(train), len(validation)) < 2:
        return None
    error = math.sqrt(sum(variance(gains) / len(gains) for gains in (train, validation)))
    return Gap(fmean(train), fmean(validation), error)


def _gains(before: Sequence[Scored], after: Sequence[Scored], split: Split) -> list[float]:
    """The differences of the mean rewards of a split's tasks that both ran."""
    old, new = (_task_means(trial for trial in trials if trial.split is split) for trials in (before, after))
    return [new[task] - old[task] for task in sorted(old.keys() & new.keys())]


def _task_means(trials: Iterable[Scored]) -> dict[str, float]:
    """The mean rewards by task."""
    by_task: dict[str, list[float]] = {}
    for trial in trials:
        if trial.reward is not None:
            by_task.setdefault(trial.task, []).append(trial.reward)
    return {task: sum(rewards) / len(rewards) for task, rewards in by_task.items()}
