"""How the number that a task's tests write becomes a reward in [0, 1]: its name, direction, bounds and what passes."""

from __future__ import annotations

import math
from dataclasses import dataclass

# The name of a reward that is written as a single number.
REWARD = "reward"
# Rewards this close together are equal: a scaled number may miss the threshold in its last digit.
ROUNDING = 1e-9


@dataclass(frozen=True)
class RewardScale:
    """The scale of a task's main reward.

    Attributes:
        main: Its name in reward.json; the others are recorded, and decide nothing.
        low, high: The bounds of the number. A number outside them is no reward.
        lower_is_better: `low` is the best value, as for an error or a time.
        passes: The number from which on a trial counts as passed; None: the best value.
    """

    main: str = REWARD
    low: float = 0.0
    high: float = 1.0
    lower_is_better: bool = False
    passes: float | None = None

    def __post_init__(self) -> None:
        if not self.main:
            raise ValueError("the main reward needs a name")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"min must be below max: {self.low:g}, {self.high:g}")
        if self.passes is not None and not self.low <= self.passes <= self.high:
            raise ValueError(f"passes must be from min to max: {self.passes:g}")

    @property
    def is_plain(self) -> bool:
        """Whether numbers are rewards as they stand."""
        return (self.low, self.high, self.lower_is_better) == (0.0, 1.0, False)

    def reward(self, number: float) -> float | None:
        """The reward in [0, 1], where 1 is best; None for a number outside the bounds."""
        if not self.low <= number <= self.high:
            return None
        share = (number - self.low) / (self.high - self.low)
        return min(max(1 - share if self.lower_is_better else share, 0.0), 1.0)

    def number(self, reward: float) -> float:
        """The number that a reward, or a mean of rewards, stands for."""
        share = 1 - reward if self.lower_is_better else reward
        return self.low + share * (self.high - self.low)

    def is_pass(self, reward: float) -> bool:
        """Whether a trial with this reward counts as passed."""
        best = self.low if self.lower_is_better else self.high
        least = self.reward(best if self.passes is None else self.passes)
        return least is not None and reward >= least - (0.0 if self.is_plain and self.passes is None else ROUNDING)

    def describe(self, reward: float) -> str:
        """A reward as its number, for people: `accuracy 62.5 (0 to 100)`."""
        better = ", lower is better" if self.lower_is_better else ""
        return f"{self.main} {self.number(reward):.4g} ({self.low:g} to {self.high:g}{better})"
