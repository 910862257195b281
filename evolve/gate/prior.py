"""Beliefs: a prior over the effects of patches, fitted to a run, and the level of the tip.

Effects and levels are differences and means of rewards, in [-1, 1] and [0, 1]; 0.01 is a point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evolve.gate.distributions import ndtr, stdtr

Floats = NDArray[np.float64]

# Effects on the mean reward of all tasks, from -50 to +30 points: finer where patches mostly are.
EFFECTS = np.array(
    [-0.5, -0.3, -0.18, -0.11, -0.07, -0.045, -0.025, -0.01, 0, 0.01, 0.025, 0.045, 0.07, 0.11, 0.18, 0.3]
)
LEAST_LIKELIHOOD = 1e-12
# Before any evidence, the probability that the proposer is mostly right.
RIGHT = 0.05
# Of Student's t: levels rest on a spread, a prior and easinesses that are estimated themselves, and two moments of a
# mixture, so leads have heavier tails than the normal.
TAIL_FREEDOM = 8.0
LEAST_VARIANCE = 1e-6
# Added to the variance of a level that begins anew.
NEW_EPOCH = 10.0


@dataclass(frozen=True)
class EstimatedEffect:
    """The estimated effect of a patch, and its standard error."""

    effect: float
    error: float


def first_prior(
    broken: float = 0.05, harmful: float = 0.35, helpful: float = 0.2, loss: float = 0.045, gain: float = 0.025
) -> Floats:
    """Weights of EFFECTS before any evidence: shares of patches, with sizes exponential with these means."""
    edges = np.concatenate([[-math.inf], (EFFECTS[1:] + EFFECTS[:-1]) / 2, [math.inf]])
    up, down = (-np.expm1(-np.maximum(side, 0) / mean) for side, mean in ((edges, gain), (-edges, loss)))
    weights = helpful * np.diff(up) - harmful * np.diff(down)
    weights[EFFECTS == 0] += 1 - broken - harmful - helpful
    weights[0] += broken
    return np.asarray(weights / weights.sum())


def mostly_right_prior() -> Floats:
    """Weights of EFFECTS of a proposer most of whose patches help."""
    return first_prior(broken=0.02, harmful=0.1, helpful=0.8, loss=0.03, gain=0.035)


def mixed_prior(tried: Sequence[EstimatedEffect]) -> Floats:
    """The first prior and that of a proposer that is mostly right, weighed by how well each predicts the patches."""
    weights = np.array([first_prior(), mostly_right_prior()])
    fit = np.log(_likelihoods(tried) @ weights.T).sum(axis=0)
    shares = np.array([1 - RIGHT, RIGHT]) * np.exp(fit - fit.max())
    return np.asarray(shares @ weights / shares.sum())


def _likelihoods(tried: Sequence[EstimatedEffect]) -> Floats:
    """Of each patch's estimate, given each of EFFECTS."""
    estimates = np.array([patch.effect for patch in tried])
    errors = np.array([patch.error for patch in tried])
    return np.asarray(np.exp(-0.5 * ((estimates[:, None] - EFFECTS) / errors[:, None]) ** 2) + LEAST_LIKELIHOOD)


def fit_prior(tried: Sequence[EstimatedEffect], first: Floats, worth: float, steps: int = 30) -> Floats:
    """Fit the prior by empirical Bayes on a grid of effects (Stephens 2017, Biostatistics 18:275).

    EM; `first`, the prior before, weighs as much as `worth` patches. At which stage a patch was dropped does not
    matter: the likelihood is the same under any stopping rule.
    """
    likely, weights = _likelihoods(tried), first
    for _ in range(steps):
        shares = likely * weights
        shares /= shares.sum(axis=1, keepdims=True)
        weights = (shares.sum(axis=0) + worth * first) / (len(tried) + worth)
    return np.asarray(weights)


def chance_of(estimate: EstimatedEffect, weights: Floats) -> float:
    """The probability that a patch shows at least such a gain. `weights`: of EFFECTS."""
    return float(weights @ ndtr((EFFECTS - estimate.effect) / estimate.error))


@dataclass(frozen=True)
class Score:
    """A challenger's score, on the scale of the whole suite, and its squared standard error.

    `weight`: of the tip's level in it; below 1 where luck shared with others was subtracted.
    """

    value: float
    error2: float
    weight: float = 1.0


@dataclass(frozen=True)
class Level:
    """Joint normal belief: `mean`, `variance` of the tip's mean reward; `lead` of the tip over the champion.

    `lead_variance`, and `covariance` of both. Updated by assumed-density filtering: exact for the mixture of effects,
    then only two moments are kept (Minka 2001, thesis, section 3.2).
    """

    mean: float
    variance: float
    lead: float = 0.0
    lead_variance: float = 0.0
    covariance: float = 0.0

    def after_tip_trials(self, score: Score) -> Level:
        """The belief after trials of the tip."""
        estimate = self.effect(score)
        gain = score.weight * self.variance / estimate.error**2
        return self._with_tip_mean(self.mean + gain * estimate.effect, (1 - gain * score.weight) * self.variance)

    def after_champion_trials(self, score: Score) -> Level:
        """The belief after trials of the champion, which share luck with the tip as `score.weight` says."""
        weight = score.weight
        tip, lead = weight * self.variance - self.covariance, weight * self.covariance - self.lead_variance
        total = weight * tip - lead + score.error2
        miss = score.value - (weight * self.mean - self.lead)
        return Level(
            self.mean + tip / total * miss,
            self.variance - tip * tip / total,
            self.lead + lead / total * miss,
            max(self.lead_variance - lead * lead / total, 0.0),
            self.covariance - tip * lead / total,
        )

    def _with_tip_mean(self, mean: float, variance: float) -> Level:
        """The belief with another level of the tip; its lead follows by regression."""
        slope = self.covariance / self.variance
        lead = self.lead + slope * (mean - self.mean)
        rest = self.lead_variance - slope * self.covariance
        return Level(mean, variance, lead, max(rest + slope * slope * variance, 0.0), slope * variance)

    def effect(self, score: Score) -> EstimatedEffect:
        """The estimated effect of a challenger."""
        total = score.weight**2 * self.variance + score.error2
        return EstimatedEffect(score.value - score.weight * self.mean, math.sqrt(total))

    def after_challenger(self, score: Score, weights: Floats) -> tuple[Level, Level]:
        """Learn from the score of a patch of the tip. If all challengers look good, the tip had bad luck.

        Returns:
            The belief if the patch is dropped, and if it becomes the tip.
        """
        estimate, shares = self.effect(score), self._shares(score, weights)
        given = self.mean + score.weight * self.variance / estimate.error**2 * (estimate.effect - EFFECTS)
        inner = self.variance * score.error2 / estimate.error**2
        old, new = float(shares @ given), float(shares @ (given + EFFECTS))
        dropped = self._with_tip_mean(old, inner + float(shares @ (given - old) ** 2))
        variance = inner + float(shares @ (given + EFFECTS - new) ** 2)
        both = inner + float(shares @ ((given - old) * (given + EFFECTS - new)))
        return dropped, self._stacked(dropped, new, variance, both)

    def expected(self, score: Score, weights: Floats) -> float:
        """The expected effect of a challenger, given its score."""
        return float(self._shares(score, weights) @ EFFECTS)

    def _shares(self, score: Score, weights: Floats) -> Floats:
        """Probabilities of EFFECTS, given a challenger's score; `weights` before it."""
        estimate = self.effect(score)
        shares = weights * np.exp(-0.5 * ((estimate.effect - EFFECTS) / estimate.error) ** 2) + 1e-300
        return np.asarray(shares / shares.sum())

    def _stacked(self, dropped: Level, mean: float, variance: float, both: float) -> Level:
        """`both`: covariance of the old tip's level and the new one's, whose lead is the old lead and the step."""
        slope = self.covariance / self.variance - 1
        rest = self.lead_variance - self.covariance**2 / self.variance
        lead = dropped.lead + mean - dropped.mean
        spread = rest + slope * slope * dropped.variance + variance + 2 * slope * both
        return Level(mean, variance, lead, max(spread, 1e-9), slope * both + variance)

    def behind(self, margin: float) -> float:
        """The probability that the tip's lead over the champion is less than `margin`."""
        if self.lead_variance <= 0:
            return float(self.lead < margin)
        return float(stdtr(TAIL_FREEDOM, (margin - self.lead) / math.sqrt(self.lead_variance)))

    def after_gain(self, gain: float, error: float) -> Level:
        """The belief once a patch became the tip whose gain was measured afresh; nothing else is believed of it."""
        slope = self.covariance / self.variance - 1
        behind = max(self.lead_variance - self.covariance**2 / self.variance, 0.0) + slope**2 * self.variance
        return Level(self.mean + gain, error**2, self.lead + gain, error**2 + behind, error**2)

    def in_new_epoch(self) -> Level:
        """The belief once all scaffolds may score differently than before: the lead stays."""
        return Level(self.mean, self.variance + NEW_EPOCH, self.lead, self.lead_variance, self.covariance)

    def with_doubtful_lead(self, error: float) -> Level:
        """The belief if the lead may also be off by this standard error; the tip's level stays."""
        return replace(self, lead_variance=self.lead_variance + error**2)

    def back_to_champion(self) -> Level:
        """The belief once the champion is the tip again."""
        variance = self.variance + self.lead_variance - 2 * self.covariance
        return Level(self.mean - self.lead, max(variance, LEAST_VARIANCE))

    def as_champion(self) -> Level:
        """The belief once the tip is the champion."""
        return Level(self.mean, self.variance)
