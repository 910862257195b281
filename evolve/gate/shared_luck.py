"""How far the rewards of two scaffolds on a shared seed go together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evolve.gate.prior import Floats
from evolve.gate.task_difficulty import TaskDifficulty

MOST_SHARED = 0.98
FIRST_PAIRS = 40.0


@dataclass(frozen=True)
class SharedLuck:
    """Sums over pairs of trials on a shared seed, of the product and of the square of their residuals."""

    product: float = 0.0
    square: float = 0.0

    def correlation(self, spread: float) -> float:
        """Correlation of two scaffolds' rewards on a shared seed, given the task; at first taken as none.

        One standard error below the estimate, since a correlation that is not there hides what challengers tell.

        Args:
            spread: Standard deviation of a trial, given its task.
        """
        sure = self.product - spread * math.sqrt(self.square)
        return min(max(sure / (self.square + FIRST_PAIRS * spread**2), 0.0), MOST_SHARED)

    def with_pairs(self, new: Floats, tip: Floats, difficulty: TaskDifficulty, level: float) -> SharedLuck:
        """The sums with a challenger's pairs.

        The tip's deviation is from its other trials on the same task, so the task and the error of its rate drop out.
        A task that it tried once has its estimated rate instead, whose error is not correlated with what is left.

        Args:
            new, tip: Rewards of challenger and tip, passes x tasks, NaN where not run.
            level: The tip's.
        """
        runs = (~np.isnan(tip)).sum(axis=0)
        others = (np.nansum(tip, axis=0) - tip) / np.maximum(runs - 1, 1)
        once = difficulty.easiness + level
        deviation = (tip - np.where(runs > 1, others, once))[: len(new)]
        residuals = new[: len(deviation)] - difficulty.easiness
        both = ~np.isnan(residuals) & ~np.isnan(deviation)
        if not both.any():
            return self
        residuals = residuals - residuals[both].mean()
        product = np.where(both, residuals * deviation, 0.0).sum()
        square = np.where(both, deviation**2 * np.where(runs > 1, (runs - 1) / np.maximum(runs, 1), 1.0), 0.0).sum()
        return SharedLuck(self.product + float(product), self.square + float(square))
