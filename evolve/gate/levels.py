"""What is believed of the mean rewards of champion, tip, and the scaffolds between them.

Levels are means of rewards, in [0, 1]; 0.01 is a point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evolve.gate.distributions import stdtr
from evolve.gate.mixtures import log_of, shares_of
from evolve.gate.prior import EFFECTS, EstimatedEffect, Floats

# Of Student's t: levels rest on a spread, a prior and easinesses that are estimated themselves, and two moments of a
# mixture, so leads have heavier tails than the normal.
TAIL_FREEDOM = 8.0
LEAST_VARIANCE = 1e-6
# Of a lead: what rounding may leave of it is none.
LEAST_LEAD_VARIANCE = 1e-9
# Added to the variance of levels that begin anew.
NEW_EPOCH = 10.0


@dataclass(frozen=True)
class Score:
    """A challenger's score, on the scale of the whole suite, and its squared standard error.

    `weight`: of the tip's level in it; below 1 where luck shared with others was subtracted.
    """

    value: float
    error2: float
    weight: float = 1.0


@dataclass(frozen=True)
class Levels:
    """Joint normal belief about the mean rewards of a line of scaffolds: the champion's first, the tip's last.

    `means`: n values; `covariances`: n x n. Updated by assumed-density filtering: exact for the mixture of effects,
    then only two moments are kept (Minka 2001, thesis, section 3.2).
    """

    means: Floats
    covariances: Floats

    def __post_init__(self) -> None:
        if not len(self.means) or self.covariances.shape != (len(self.means), len(self.means)):
            raise ValueError(f"{len(self.means)} means with covariances of shape {self.covariances.shape}")

    @classmethod
    def of(cls, mean: float, variance: float) -> Levels:
        """The belief about a champion that is the tip itself."""
        return cls(np.array([mean]), np.array([[variance]]))

    @property
    def stacked(self) -> int:
        """How many patches lie between champion and tip."""
        return len(self.means) - 1

    @property
    def mean(self) -> float:
        """The tip's level."""
        return float(self.means[-1])

    @property
    def variance(self) -> float:
        return float(self.covariances[-1, -1])

    @property
    def lead(self) -> float:
        """Of the tip over the champion."""
        return float(self.means[-1] - self.means[0])

    @property
    def lead_variance(self) -> float:
        return self._lead_variance(0)

    def _lead_variance(self, place: int) -> float:
        """Of the tip's lead over the scaffold at this place."""
        inner = self.covariances
        return max(float(inner[-1, -1] + inner[place, place] - 2 * inner[place, -1]), 0.0)

    def after_tip_trials(self, score: Score) -> Levels:
        """The belief after trials of the tip."""
        seen = np.zeros(len(self.means))
        seen[-1] = score.weight
        return self._after(score, seen)

    def after_champion_trials(self, score: Score) -> Levels:
        """The belief after trials of the champion, which share luck with the tip as `score.weight` says."""
        seen = np.zeros(len(self.means))
        seen[0] = 1.0
        seen[-1] += score.weight - 1
        return self._after(score, seen)

    def _after(self, score: Score, seen: Floats) -> Levels:
        """The belief after a score. `seen`: how much of each level is in it."""
        shared = self.covariances @ seen
        total = float(seen @ shared) + score.error2
        means = self.means + shared / total * (score.value - float(seen @ self.means))
        return Levels(means, self.covariances - np.outer(shared, shared) / total)

    def _with_tip(self, mean: float, variance: float) -> Levels:
        """The belief with another level of the tip; the others follow by regression."""
        slopes = self.covariances[-1] / self.variance
        means = self.means + slopes * (mean - self.mean)
        return Levels(means, self.covariances + np.outer(slopes, slopes) * (variance - self.variance))

    def effect(self, score: Score) -> EstimatedEffect:
        """The estimated effect of a challenger."""
        total = score.weight**2 * self.variance + score.error2
        return EstimatedEffect(score.value - score.weight * self.mean, math.sqrt(total))

    def after_challenger(self, score: Score, weights: Floats) -> tuple[Levels, Levels]:
        """Learn from the score of a patch of the tip. If all challengers look good, the tip had bad luck.

        Returns:
            The belief if the patch is dropped, and if it becomes the tip.
        """
        estimate, shares = self.effect(score), self._shares(score, weights)
        given = self.mean + score.weight * self.variance / estimate.error**2 * (estimate.effect - EFFECTS)
        inner = self.variance * score.error2 / estimate.error**2
        old, new = float(shares @ given), float(shares @ (given + EFFECTS))
        dropped = self._with_tip(old, inner + float(shares @ (given - old) ** 2))
        variance = inner + float(shares @ (given + EFFECTS - new) ** 2)
        both = inner + float(shares @ ((given - old) * (given + EFFECTS - new)))
        return dropped, dropped._with_next(new, variance, both)

    def expected(self, score: Score, weights: Floats) -> float:
        """The expected effect of a challenger, given its score."""
        return float(self._shares(score, weights) @ EFFECTS)

    def _shares(self, score: Score, weights: Floats) -> Floats:
        """Probabilities of EFFECTS, given a challenger's score; `weights` before it."""
        estimate = self.effect(score)
        return shares_of(log_of(weights) - 0.5 * ((estimate.effect - EFFECTS) / estimate.error) ** 2)

    def _with_next(self, mean: float, variance: float, both: float) -> Levels:
        """The belief with one more scaffold, the new tip. `both`: covariance of the levels of the old tip and of it."""
        shared = self.covariances[-1] / self.variance * both
        covariances = np.block([[self.covariances, shared[:, None]], [shared[None, :], np.array([[variance]])]])
        return Levels(np.append(self.means, mean), covariances)

    def behind(self, margin: float, place: int = 0) -> float:
        """The probability that the tip's lead over the scaffold at this place of the line is less than `margin`."""
        if place == self.stacked:
            return float(margin > 0)
        lead, variance = float(self.means[-1] - self.means[place]), self._lead_variance(place)
        return float(stdtr(TAIL_FREEDOM, (margin - lead) / math.sqrt(max(variance, LEAST_LEAD_VARIANCE))))

    def best_earlier(self) -> int:
        """The place of the highest level before the tip's; the first of equals."""
        return int(np.argmax(self.means[:-1]))

    def after_gain(self, gain: float, error: float) -> Levels:
        """The belief once a patch became the tip whose gain was measured afresh; nothing else is believed of it."""
        return self._with_next(self.mean + gain, error**2, 0.0)

    def in_new_epoch(self) -> Levels:
        """The belief once all scaffolds may score differently than before: leads stay."""
        return Levels(self.means, self.covariances + NEW_EPOCH)

    def with_doubtful_lead(self, error: float) -> Levels:
        """The belief if the lead may also be off by this standard error; the tip's level stays."""
        covariances = self.covariances.copy()
        covariances[0, 0] += error**2
        return Levels(self.means, covariances)

    def back_to(self, place: int) -> Levels:
        """The belief once the scaffold at this place of the line is the tip again."""
        return self._of(slice(0, place + 1))

    def as_champion(self) -> Levels:
        """The belief once the tip is the champion."""
        return self._of(slice(self.stacked, None))

    def _of(self, places: slice) -> Levels:
        covariances = self.covariances[places, places].copy()
        covariances[-1, -1] = max(float(covariances[-1, -1]), LEAST_VARIANCE)
        return Levels(self.means[places].copy(), covariances)
