"""Two scaffolds on the same tasks: the paired difference, its interval and its exact test. Pure."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evolve.core.scores import least_error
from evolve.gate.distributions import stdtrit

Slot = tuple[str, int]
# Differences are rounded to this for the exact test.
STEP = 1e-3
# The exact test counts sums on a grid of at most this many steps; larger sums get a coarser one.
MOST_STEPS = 1 << 16
CONFIDENCE = 0.95
LEAST_P = 1e-12


@dataclass(frozen=True)
class Comparison:
    """The second of two scaffolds against the first. Rewards: means over tasks of means over attempts, in [0, 1].

    `low`, `high`: interval of the difference; each of `comparisons` such intervals covers with 95 % together.
    `p_value`: two-sided, of the exact test; 1 where no task differs. `better`, `worse`: numbers of tasks.
    """

    tasks: int
    trials: int
    first: float
    second: float
    low: float
    high: float
    p_value: float
    better: int
    worse: int
    comparisons: int = 1

    @property
    def difference(self) -> float:
        return self.second - self.first

    @property
    def p_corrected(self) -> float:
        """The p-value corrected for the number of comparisons (Bonferroni)."""
        return min(1.0, self.comparisons * self.p_value)

    @property
    def significant(self) -> bool:
        """Whether the difference is significant at the 5 % level after the correction."""
        return self.p_corrected < 1 - CONFIDENCE


def compare(first: Mapping[Slot, float], second: Mapping[Slot, float], comparisons: int = 1) -> Comparison | None:
    """Compare rewards on the slots (task, attempt) that both have; None if there are fewer than two such tasks.

    The interval is Student's t over the tasks' differences, tasks taken as a sample, but never narrower than with one
    more task won and one lost, which weigh half each, and one undecided (Agresti and Min 2005, Statistics in Medicine
    24:729): differences that are all alike don't make it a point. The test is Fisher's randomisation test over the
    same differences (Fisher 1935, The Design of Experiments, section 21).

    Args:
        comparisons: How many such comparisons were made; the interval covers with probability 1 - 0.05 / comparisons.
    """
    slots = sorted(first.keys() & second.keys())
    by_task: dict[str, list[tuple[float, float]]] = {}
    for slot in slots:
        by_task.setdefault(slot[0], []).append((first[slot], second[slot]))
    if len(by_task) < 2:
        return None
    means = np.array([np.mean(pairs, axis=0) for pairs in by_task.values()])
    differences = means[:, 1] - means[:, 0]
    half = half_width(differences, means, comparisons)
    middle = float(differences.mean())
    return Comparison(
        tasks=len(by_task),
        trials=2 * len(slots),
        first=float(means[:, 0].mean()),
        second=float(means[:, 1].mean()),
        low=max(middle - half, -1.0),
        high=min(middle + half, 1.0),
        p_value=sign_flip_p(differences.tolist()),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
        comparisons=comparisons,
    )


def half_width(differences: NDArray[np.float64], rewards: NDArray[np.float64], comparisons: int = 1) -> float:
    """Half the interval of the mean difference; above 0 unless all rewards could only be alike.

    rewards: All that the differences are made of; their range says how far apart two can be that don't differ yet.
    """
    count = len(differences)
    quantile = float(stdtrit(count - 1, 1 - (1 - CONFIDENCE) / (2 * comparisons)))
    return quantile * max(float(differences.std(ddof=1)) / math.sqrt(count), _least_error(differences, rewards))


def _least_error(differences: NDArray[np.float64], rewards: NDArray[np.float64]) -> float:
    """The standard error with the pseudo-tasks of `least_error`."""
    size = float(np.abs(differences).max())
    if size == 0:
        # Rewards other than 0 and 1 lie on a scale of their own.
        spread = float(np.ptp(rewards))
        size = spread if spread and not np.isin(rewards, (0.0, 1.0)).all() else 1.0
    sums = float(differences.sum()), float(differences @ differences)
    return least_error(*sums, len(differences), -size, size)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Share of all ways to flip the differences' signs whose sum is at least as far from 0.

    Exact up to the rounding to STEP (coarser where sums exceed MOST_STEPS of it), by the characteristic function of the
    sum: the product of the cosines of its parts.
    """
    steps = [round(d / STEP) for d in differences if round(d / STEP)]
    if not steps:
        return 1.0
    coarser = max(math.gcd(*steps), -(-sum(map(abs, steps)) // MOST_STEPS))
    steps = [round(step / coarser) for step in steps]
    sizes = Counter(abs(step) for step in steps if step)
    total, observed = sum(size * count for size, count in sizes.items()), abs(sum(steps))
    if observed == 0:
        return 1.0
    length = 2 * total + 1
    angles = 2 * np.pi * np.arange(total + 1) / length
    parts = (np.cos(size * angles) ** count for size, count in sizes.items())
    chances = np.fft.irfft(functools.reduce(np.multiply, parts), length)
    beyond = 2 * float(chances[observed : total + 1].sum())
    # The observed signs and their opposites are two of the ways; below LEAST_P is the arithmetic's own error.
    return min(max(beyond, 2.0 ** (1 - len(steps)), LEAST_P), 1.0)
