"""How hard each task is for the scaffolds that a run tries, and how much one trial scatters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evolve.gate.prior import Floats

# Of rewards of 0 and 1, of which a few trials may all be equal; and of others.
LEAST_SPREAD2, LEAST_NUMERIC_SPREAD2 = 0.02, 1e-4
# Mean number of trials per task above which earlier ones fade: of scaffolds on the line only, and of all scaffolds.
FADE_ABOVE, FADE_ABOVE_OF_ALL = 12.0, 40.0
# The share of all variance that is within tasks, before any was tried twice; it weighs as much as so many repetitions.
FIRST_SHARE, FIRST_REPEATS = 0.7, 20.0
# The least share of all variance that is between tasks.
LEAST_BETWEEN = 0.02


@dataclass(frozen=True)
class TaskDifficulty:
    """Sums of rewards, each less the mean reward of its scaffold, and of their squares; numbers of trials. By task.

    binary: Whether all rewards were 0 or 1. fade_above: The mean number of a task's trials above which they fade.
    """

    rewards: Floats
    squares: Floats
    runs: Floats
    binary: bool = True
    fade_above: float = FADE_ABOVE

    @classmethod
    def empty(cls, tasks: int, fade_above: float = FADE_ABOVE) -> TaskDifficulty:
        zeros = np.zeros(tasks)
        return cls(zeros, zeros, zeros, fade_above=fade_above)

    def with_rewards(self, rewards: Floats, level: float) -> TaskDifficulty:
        """Add a scaffold's rewards, passes x tasks, NaN where not run. `level`: its mean reward over all tasks.

        Old trials fade: difficulty changes as the scaffold does.
        """
        fade = 0.5 if self.runs.mean() > self.fade_above else 1.0
        known = ~np.isnan(rewards)
        values = np.where(known, rewards - level, 0.0)
        return TaskDifficulty(
            self.rewards * fade + values.sum(axis=0),
            self.squares * fade + (values * values).sum(axis=0),
            self.runs * fade + known.sum(axis=0),
            self.binary and bool(np.isin(rewards[known], (0.0, 1.0)).all()),
            self.fade_above,
        )

    @cached_property
    def easiness(self) -> Floats:
        """How much more than the mean task each one yields, shrunk towards 0 by what is known of it."""
        found = (self.rewards + self._weight * self._mean) / (self.runs + self._weight)
        return np.asarray(found - found.mean())

    @cached_property
    def doubt(self) -> Floats:
        """The variance of the error of each task's easiness."""
        return np.asarray(self.spread**2 / (self.runs + self._weight))

    @cached_property
    def spread(self) -> float:
        """Standard deviation of one trial's reward, given its task; for rewards of 0 and 1 about sqrt(p (1 - p))."""
        counted = np.maximum(self.runs, 1.0)
        within = float(np.maximum(self.squares - self.rewards**2 / counted, 0.0).sum())
        repeats = float((counted - 1).sum())
        first = FIRST_REPEATS * FIRST_SHARE * self._variance
        least = LEAST_SPREAD2 if self.binary else LEAST_NUMERIC_SPREAD2
        return math.sqrt(max((within + first) / (repeats + FIRST_REPEATS), least))

    @cached_property
    def between(self) -> float:
        """The variance of the tasks' mean rewards."""
        return max(self._variance - self.spread**2, LEAST_BETWEEN * self._variance)

    @cached_property
    def _weight(self) -> float:
        """The number of trials that tell as much of a task as that it is one of this suite."""
        return self.spread**2 / self.between

    @cached_property
    def _mean(self) -> float:
        return float(self.rewards.sum() / max(self.runs.sum(), 1.0))

    @cached_property
    def _variance(self) -> float:
        """Of a trial of any task. Before any trial, that of rewards of 0 and 1 that are equally frequent."""
        return max(float((self.squares.sum() + 0.25) / (self.runs.sum() + 1)) - self._mean**2, LEAST_NUMERIC_SPREAD2)
