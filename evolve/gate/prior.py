"""The prior over the effects of patches, fitted to a run. Effects are differences of mean rewards; 0.01 is a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from evolve.gate.distributions import ndtr
from evolve.gate.mixtures import log_of, shares_of

Floats = NDArray[np.float64]

# Effects on the mean reward of all tasks, from -50 to +30 points: finer where patches mostly are.
EFFECTS = np.array(
    [-0.5, -0.3, -0.18, -0.11, -0.07, -0.045, -0.025, -0.01, 0, 0.01, 0.025, 0.045, 0.07, 0.11, 0.18, 0.3]
)
LEAST_LIKELIHOOD = 1e-12
# Before any evidence, the probability that the proposer is mostly right.
RIGHT = 0.05
# Of patches, by which the prior is learned; and after how many of them first, and how often at least.
REMEMBERED = 400
FIRST_LEARNED, LEARN_EVERY = 3, 100


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
    return np.asarray(shares_of(log_of(np.array([1 - RIGHT, RIGHT])) + fit) @ weights)


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
class LearnedPrior:
    """The prior as it is learned from a run's patches.

    weights: of EFFECTS. tried: estimates of the newest patches. patches: how many there were; learn_at: after how many
    the weights are fitted next.
    """

    weights: Floats = field(default_factory=first_prior)
    tried: tuple[EstimatedEffect, ...] = ()
    patches: int = 0
    learn_at: int = FIRST_LEARNED

    def after_patch(self, estimate: EstimatedEffect, worth: float) -> LearnedPrior:
        """The prior after one more patch. `worth`: of how many patches the prior before any evidence has the weight."""
        after = replace(self, tried=(*self.tried, estimate)[-REMEMBERED:], patches=self.patches + 1)
        if after.patches < self.learn_at:
            return after
        later = self.learn_at + min(max(self.learn_at // 4, 1), LEARN_EVERY)
        return replace(after, learn_at=later, weights=fit_prior(after.tried, mixed_prior(after.tried), worth))
