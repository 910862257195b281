"""How hard each task is for the scaffolds that a run builds on, and how much one trial scatters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evolve.gate.prior import Floats

LEAST_SPREAD2 = 0.02
FADE_ABOVE = 12.0


@dataclass(frozen=True)
class TaskDifficulty:
    """Sums of rewards and of their squares, and numbers of trials, by task."""

    rewards: Floats
    squares: Floats
    runs: Floats

    @classmethod
    def empty(cls, tasks: int) -> TaskDifficulty:
        zeros = np.zeros(tasks)
        return cls(zeros, zeros, zeros)

    def with_rewards(self, rewards: Floats) -> TaskDifficulty:
        """Add rewards, passes x tasks, NaN where not run. Old trials fade: difficulty changes as the scaffold does."""
        fade = 0.5 if self.runs.mean() > FADE_ABOVE else 1.0
        known = ~np.isnan(rewards)
        values = np.where(known, rewards, 0.0)
        return TaskDifficulty(
            self.rewards * fade + values.sum(axis=0),
            self.squares * fade + (values * values).sum(axis=0),
            self.runs * fade + known.sum(axis=0),
        )

    @property
    def rates(self) -> Floats:
        """Mean rewards, shrunk towards a half."""
        return np.asarray((self.rewards + 0.5) / (self.runs + 1))

    @property
    def spread(self) -> float:
        """Standard deviation of one trial's reward, given its task; for rewards of 0 and 1 about sqrt(p (1 - p))."""
        squares = (self.squares + 0.5) / (self.runs + 1)
        return math.sqrt(max(float((squares - self.rates**2).mean()), LEAST_SPREAD2))
