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
    """A mean reward in [0, 1], and the half width of its 95 % interval; `low` and `high` are within [0, 1] too."""

    mean: float
    half_width: float

    @property
    def low(self) -> float:
        return max(self.mean - self.half_width, 0.0)

    @property
    def high(self) -> float:
        return min(self.mean + self.half_width, 1.0)


def score(trials: Iterable[Scored]) -> Score | None:
    """The mean over tasks of the mean reward, with its interval as `score_of_moments` makes it.

    Returns:
        None if no trial counts.
    """
    means = list(_task_means(trials).values())
    if not means:
        return None
    return score_of_moments(fmean(means), fmean(mean * mean for mean in means), len(means))


def score_of_moments(mean: float, square: float, tasks: int) -> Score:
    """The score of the mean and the mean square of the tasks' rewards; `tasks` is at least 1.

    The interval is 1.96 standard errors over tasks: sd of the tasks' rewards / sqrt(tasks), but at least that of
    `least_error`, so that tasks which all pass, or all fail, don't make the score a certainty.
    """
    error = math.sqrt(max(square - mean * mean, 0.0) / max(tasks - 1, 1))
    return Score(mean, INTERVAL_ERRORS * max(error, least_error(tasks * mean, tasks * square, tasks, 0.0, 1.0)))


def least_error(total: float, squares: float, tasks: int, low: float, high: float) -> float:
    """The standard error of the mean of some values with three more tasks: one won, one lost and one undecided.

    Those that are won and lost weigh half each (Agresti and Min 2005, Statistics in Medicine 24:729).

    Args:
        total: The sum of the values.
        squares: The sum of their squares.
        low: The value of a task that is lost.
        high: That of a task that is won; an undecided one lies between the two.
    """
    undecided, count = (low + high) / 2, tasks + 2
    mean = (total + undecided * 2) / count
    square = (squares + (low**2 + high**2) / 2 + undecided**2) / count
    return math.sqrt(max(square - mean**2, 0.0) / count)


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
    values are the tasks' differences, so it covers the luck of trials and the choice of tasks. Each mean's error is at
    least that of `least_error`.

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
    return Gap(fmean(train), fmean(validation), math.hypot(_error(train), _error(validation)))


def _error(gains: Sequence[float]) -> float:
    """The standard error of the mean of two or more gains."""
    size = max(map(abs, gains)) or 1.0
    least = least_error(sum(gains), sum(gain * gain for gain in gains), len(gains), -size, size)
    return max(math.sqrt(variance(gains) / len(gains)), least)


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
