"""When to drop a patch and when to build on it: thresholds by backward induction, where each trial has a price."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from evolve.gate.mixtures import log_of, shares_of
from evolve.gate.prior import EFFECTS, Floats

GRID = np.linspace(-0.36, 0.36, 97)
NEVER = 9.0
# Of the price at which a fresh patch is worth nothing; less gains more, since the tip's level is learned meanwhile.
PRICE_SHARE = 0.7


@dataclass(frozen=True)
class Stage:
    """A patch is dropped at an estimated effect below `drop`, built upon from `take` on; between, trials continue."""

    drop: float
    take: float


@lru_cache(4096)
def stages(
    weights: tuple[float, ...], spread: float, tip_variance: float, trials: tuple[int, ...], screens: int
) -> tuple[Stage, ...]:
    """Compute a stage for each cumulative number of `trials`; the first `screens` of them can't take a patch.

    `spread`: standard deviation of a single trial's reward; `tip_variance`: variance of the tip's estimated mean.
    An endless stream of patches is tried at a price: a trial costs the gain that the best rule makes per trial, which
    is the price at which a fresh patch is worth nothing (renewal reward; Schmit et al. 2019, AISTATS, "Optimal testing
    in the experiment-rich regime"). Backward induction over the normal group-sequential joint distribution (Jennison
    and Turnbull 2000, chapter 3).
    """
    problem = _Problem.of(np.array(weights), spread, tip_variance, np.array(trials, float), screens)
    low, high = 0.0, 0.01
    for _ in range(13):
        price = (low + high) / 2
        low, high = (price, high) if problem.worth(price) > 0 else (low, price)
    return problem.stages(PRICE_SHARE * low)


@dataclass(frozen=True)
class _Problem:
    """`gains`: by stage and estimate, the expected effect; `moves`: where the estimate goes from stage to stage."""

    start: Floats
    gains: tuple[Floats, ...]
    moves: tuple[Floats, ...]
    costs: tuple[float, ...]
    screens: int

    @classmethod
    def of(cls, weights: Floats, spread: float, tip_variance: float, trials: Floats, screens: int) -> _Problem:
        known = np.maximum.accumulate(1 / (spread**2 / trials + tip_variance))
        logs = log_of(weights)
        believed = [shares_of(logs + _log_bell((GRID[:, None] - EFFECTS) * math.sqrt(one))) for one in known]
        seen = [weights @ shares_of(_log_bell((GRID - EFFECTS[:, None]) * math.sqrt(one))) for one in known]
        steps = zip(known[:-1].tolist(), known[1:].tolist(), seen[1:], strict=True)
        moves = tuple(_move(now, later, marginal) for now, later, marginal in steps)
        costs = tuple(float(cost) for cost in np.diff(trials, prepend=0))
        return cls(seen[0], tuple(shares @ EFFECTS for shares in believed), moves, costs, screens)

    def worth(self, price: float) -> float:
        """The worth of a fresh patch at this price of a trial."""
        *_, (_, _, best) = self._backwards(price)
        return float(self.start @ best - price * self.costs[0])

    def stages(self, price: float) -> tuple[Stage, ...]:
        """The stages at this price of a trial."""
        solved = [
            Stage(_first(best > 0), _first((gain > 0) & (gain >= continuing)))
            for gain, continuing, best in self._backwards(price)
        ]
        return tuple(reversed(solved))

    def _backwards(self, price: float) -> Iterator[tuple[Floats, Floats, Floats]]:
        """By stage, the last first, and by estimate: the worth of taking, of going on, and of the best of these."""
        continuing = nothing = np.full(len(GRID), -1.0)
        for number in reversed(range(len(self.gains))):
            gain = self.gains[number] if number >= self.screens else nothing
            best = np.maximum(np.maximum(gain, continuing), 0.0)
            yield gain, continuing, best
            if number:
                continuing = self.moves[number - 1] @ best - price * self.costs[number]


def _move(now: float, later: float, marginal: Floats) -> Floats:
    """Chances of each later estimate, by estimate now; `marginal`: those of the later one by itself.

    An estimate given a later one does not depend on the effect: a Brownian bridge, turned around by Bayes' rule.
    """
    # The grid is coarser than the smallest steps: at least half of its own distance.
    width = max(math.sqrt((later - now) / (now * later)), 0.004)
    return shares_of(_log_bell((GRID[:, None] - GRID) / width) + log_of(marginal))


def _log_bell(values: Floats) -> Floats:
    return np.asarray(-0.5 * values * values)


def _first(true: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    return float(GRID[true.argmax()]) if true.any() else NEVER
