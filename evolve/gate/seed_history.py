"""Results on one tip's seeds: scaffolds that run a task on the same seed share some of their luck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evolve.gate.prior import Floats


@dataclass(frozen=True)
class SeedHistory:
    """The results of the tip and its challengers, by seed.

    own: passes of the tip, each its rewards by task; sums: of the rewards of all of them, each less the scaffold's gain
    over the tip, passes x tasks; counts: how many there are.
    """

    own: tuple[Floats, ...]
    sums: Floats
    counts: Floats

    @classmethod
    def begin(cls, passes: int, tasks: int) -> SeedHistory:
        return cls((), np.zeros((passes, tasks)), np.zeros((passes, tasks)))

    def for_next_tip(self) -> SeedHistory:
        """An empty history, for the next tip."""
        return SeedHistory.begin(*self.sums.shape)

    def with_tip_pass(self, rewards: Floats) -> SeedHistory:
        """The history with one more pass of the tip over all tasks."""
        after = SeedHistory((*self.own, rewards), self.sums, self.counts)
        return after.with_rewards(self.as_challenger(rewards), 0.0)

    def as_challenger(self, rewards: Floats) -> Floats:
        """The tip's next pass as passes x tasks, NaN elsewhere; all NaN if no challenger has so many passes."""
        seen = np.full_like(self.sums, np.nan)
        seen[len(self.own) : len(self.own) + 1] = rewards
        return seen

    def with_rewards(self, rewards: Floats, better: float) -> SeedHistory:
        """The history with a scaffold's rewards, passes x tasks, NaN where not run. `better`: its gain over the tip."""
        known = ~np.isnan(rewards)
        return SeedHistory(self.own, self.sums + np.where(known, rewards - better, 0.0), self.counts + known)

    def means(self) -> Floats:
        """Mean rewards by seed; 0 where nothing ran."""
        return np.asarray(self.sums / np.maximum(self.counts, 1))

    def shares(self, correlation: float) -> Floats:
        """How much of a seed's mean residual the next trial there is expected to have too, passes x tasks.

        Of n values of which any two have the correlation c: n c / (1 + (n - 1) c) (Spearman 1910, Brown 1910, British
        Journal of Psychology 3).
        """
        return np.asarray(self.counts * correlation / (1 + (self.counts - 1) * correlation))
