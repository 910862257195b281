"""Results on one tip's seeds: scaffolds that run a task on the same seed share some of their luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evolve.gate.levels import Score
from evolve.gate.prior import Floats
from evolve.gate.task_difficulty import TaskDifficulty


@dataclass(frozen=True)
class SeedHistory:
    """The results of the tip and its challengers, by seed: passes x tasks, with as many passes as were ever needed.

    tip: the tip's rewards, NaN where it did not run; sums: of the rewards of all of them, each less the scaffold's gain
    over the tip; counts: how many there are. first: the attempt of the first pass, counted from the tip's first.
    """

    tip: Floats
    sums: Floats
    counts: Floats
    first: int = 0

    @classmethod
    def begin(cls, passes: int, tasks: int) -> SeedHistory:
        return cls(np.full((passes, tasks), np.nan), np.zeros((passes, tasks)), np.zeros((passes, tasks)))

    @property
    def own(self) -> tuple[Floats, ...]:
        """Passes of the tip, each its rewards by task, NaN where not run; up to its last one."""
        return tuple(self.tip[: last_pass(self.tip)])

    def for_next_tip(self) -> SeedHistory:
        """An empty history, for the next tip."""
        return SeedHistory.begin(*self.sums.shape)

    def in_new_epoch(self) -> SeedHistory:
        """An empty history of the same tip, on attempts that come after these."""
        return replace(SeedHistory.begin(*self.sums.shape), first=self.first + len(self.sums))

    def with_tip_trials(self, rewards: Floats) -> SeedHistory:
        """The history with more trials of the tip, passes x tasks, NaN where not run."""
        after = self._with_passes(len(rewards))
        tip = np.where(np.isnan(padded(rewards, len(after.tip))), after.tip, padded(rewards, len(after.tip)))
        return replace(after, tip=tip).with_rewards(rewards, 0.0)

    def with_rewards(self, rewards: Floats, better: float) -> SeedHistory:
        """The history with a scaffold's rewards, passes x tasks, NaN where not run. `better`: its gain over the tip."""
        after = self._with_passes(len(rewards))
        rewards = padded(rewards, len(after.tip))
        known = ~np.isnan(rewards)
        sums = after.sums + np.where(known, rewards - better, 0.0)
        return replace(after, sums=sums, counts=after.counts + known)

    def means(self) -> Floats:
        """Mean rewards by seed; 0 where nothing ran."""
        return np.asarray(self.sums / np.maximum(self.counts, 1))

    def shares(self, correlation: float) -> Floats:
        """How much of a seed's mean residual the next trial there is expected to have too, passes x tasks.

        Of n values of which any two have the correlation c: n c / (1 + (n - 1) c) (Spearman 1910, Brown 1910, British
        Journal of Psychology 3).
        """
        return np.asarray(self.counts * correlation / (1 + (self.counts - 1) * correlation))

    def score(
        self, seen: Floats, tasks: Sequence[int], difficulty: TaskDifficulty, correlation: float, spread: float
    ) -> Score:
        """A scaffold's residuals against the tasks' rates, less the luck shared with all that ran on its seeds.

        The error allows for what is not known of the tasks that ran.

        Args:
            seen: Its rewards, passes x tasks, NaN where not run.
            tasks: Those that count, and on whose scale the score is.
            correlation: Of two scaffolds' rewards on a shared seed.
            spread: Standard deviation of a trial, given its task.
        """
        chosen = np.array(tasks)
        counted = np.zeros(seen.shape[1], bool)
        counted[chosen] = True
        seen = seen[: last_pass(seen)]
        known = ~np.isnan(seen) & counted
        trials, easiness = int(known.sum()), difficulty.easiness
        shares, means = (
            padded(values, len(seen), 0.0)[: len(seen)] for values in (self.shares(correlation), self.means())
        )
        shares, level = np.where(known, shares, 0.0), easiness - easiness[chosen].mean()
        values = np.where(known, seen - level - shares * (means - level), 0.0)
        left = np.where(known, 1 - correlation * shares, 0.0)
        weights = np.where(known, 1 - shares, 0.0).sum(axis=0) / trials
        uneven = weights[chosen] - weights.sum() / len(chosen)
        error2 = spread**2 * float(left.sum()) / trials**2 + float(uneven**2 @ difficulty.doubt[chosen])
        return Score(float(values.sum()) / trials, error2, 1 - float(shares.sum()) / trials)

    def _with_passes(self, passes: int) -> SeedHistory:
        """The history with room for so many passes."""
        if passes <= len(self.tip):
            return self
        sums, counts = (padded(values, passes, 0.0) for values in (self.sums, self.counts))
        return replace(self, tip=padded(self.tip, passes), sums=sums, counts=counts)


def padded(rewards: Floats, passes: int, value: float = np.nan) -> Floats:
    """The rewards with at least so many passes."""
    missing = max(passes - len(rewards), 0)
    return np.pad(rewards, ((0, missing), (0, 0)), constant_values=value) if missing else rewards


def last_pass(rewards: Floats) -> int:
    """The number of passes up to the last one in which something ran."""
    ran = np.flatnonzero(~np.isnan(rewards).all(axis=1))
    return int(ran[-1]) + 1 if len(ran) else 0
