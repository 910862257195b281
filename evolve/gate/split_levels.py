"""Beliefs about train and validation apart: the mean rewards of a line of scaffolds and a challenger on each split.

Means and effects are in [0, 1] and [-1, 1]; 0.01 is a point. Values by split: train first, then validation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from evolve.gate.distributions import ndtr
from evolve.gate.levels import Score
from evolve.gate.mixtures import log_of, shares_of
from evolve.gate.prior import EFFECTS, Floats

# What a patch may gain that helps only on train, or more than the prior knows: each as likely as the others.
JUMPS = np.array([0.1, 0.15, 0.25, 0.4, 0.6, 0.9])
# How many jumps help on validation as much, and half as much, for each one that helps only on train.
REAL_JUMPS, HALF_JUMPS = 0.1, 0.1
# Squared error of a challenger's score at least: jumps lie between these steps too, and a score that is more precise
# would fit none of them.
LEAST_ERROR2 = 0.02**2
VAGUE_VARIANCE = 10.0
# Tip and a challenger without effect, from the tip.
JOINED = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])
CHAMPION, TIP, CHALLENGER = slice(0, 2), slice(-2, None), slice(2, 4)


@dataclass(frozen=True)
class SplitEvidence:
    """What is believed of a challenger. `train`, `validation`: its expected effects on each split.

    `train_only`: the probability that it helps on train alone.
    """

    train: float
    validation: float
    train_only: float


@dataclass(frozen=True)
class SplitLevels:
    """Joint normal belief about the mean rewards of a line of scaffolds, each on train and on validation.

    `tasks`: how many each split has. `mean`: 2 n values, the champion's first and the tip's last; `covariance`: 2 n x
    2 n.
    """

    tasks: tuple[int, int]
    mean: Floats
    covariance: Floats

    @classmethod
    def begin(cls, train: int, validation: int) -> SplitLevels:
        """The belief before any trial, when tip and champion are the same scaffold."""
        return cls((train, validation), np.full(2, 0.5), VAGUE_VARIANCE * np.eye(2))

    @property
    def stacked(self) -> int:
        """How many patches lie between champion and tip."""
        return len(self.mean) // 2 - 1

    @property
    def lead(self) -> tuple[float, float]:
        """The tip's expected lead over the champion, by split."""
        train, validation = self.mean[TIP] - self.mean[CHAMPION]
        return float(train), float(validation)

    def behind(self, margin: float) -> float:
        """The probability that the tip's lead on validation is less than `margin`."""
        tip, champion, both = (self.covariance[place] for place in ((-1, -1), (1, 1), (1, -1)))
        variance = float(tip + champion - 2 * both)
        lead = self.lead[1]
        return float(ndtr((margin - lead) / math.sqrt(variance))) if variance > 1e-12 else float(lead < margin)

    def after_tip_trials(self, scores: Sequence[Score | None]) -> SplitLevels:
        """The belief after trials of the tip. `scores`: by split; None where it did not run."""
        return self._after_scores(scores, champion=0.0)

    def after_champion_trials(self, scores: Sequence[Score | None]) -> SplitLevels:
        """The belief after trials of the champion, less what they share with the tip. `scores`: as for the tip."""
        return self._after_scores(scores, champion=1.0)

    def _after_scores(self, scores: Sequence[Score | None], champion: float) -> SplitLevels:
        """`champion`: 1 if the scores are the champion's, 0 if they are the tip's."""
        found = [(split, score) for split, score in enumerate(scores) if score is not None]
        seen = np.zeros((len(found), len(self.mean)))
        for row, (split, score) in enumerate(found):
            seen[row, split] = champion
            seen[row, split - 2] += score.weight - champion
        noise = np.diag([score.error2 for _, score in found])
        miss = np.array([score.value for _, score in found]) - seen @ self.mean
        gain = self.covariance @ seen.T @ np.linalg.inv(seen @ self.covariance @ seen.T + noise)
        covariance = self.covariance - gain @ seen @ self.covariance
        return replace(self, mean=self.mean + gain @ miss, covariance=_symmetric(covariance))

    def after_challenger(
        self, scores: Sequence[Score], prior: Floats, suspicion: float
    ) -> tuple[SplitLevels, SplitLevels, SplitEvidence]:
        """Learn from a patch of the tip.

        A patch either has an effect d of EFFECTS on every task, with a standard deviation of d between tasks; or it
        adds one of JUMPS to train, and to validation nothing, half of it, or as much. The belief is exact for this
        mixture; then two moments are kept (assumed-density filtering, as in `levels.Levels`).

        Args:
            scores: By split; of train alone if nothing ran on validation.
            prior: Weights of EFFECTS.
            suspicion: The probability that a patch helps on train alone, before its trials.

        Returns:
            The belief if the patch is dropped, the belief if it becomes the tip, and the evidence on the patch.
        """
        effects, weights = _hypotheses(prior, suspicion)
        mean, covariance = self._with_challenger(effects)
        coarse = [replace(score, error2=max(score.error2, LEAST_ERROR2)) for score in scores]
        mean, covariance, log_likelihood = _after_scores(mean, covariance, coarse)
        shares = shares_of(log_of(weights) + log_likelihood)
        middle = shares @ mean
        apart = mean - middle
        spread = np.einsum("h,hij->ij", shares, covariance) + np.einsum("h,hi,hj->ij", shares, apart, apart)
        train, validation = middle[CHALLENGER] - middle[:2]
        evidence = SplitEvidence(
            float(train), float(validation), float(shares[(effects[:, 0] > 0) & (effects[:, 1] == 0)].sum())
        )
        dropped = self._with_tip(middle[:2], spread[:2, :2])
        return dropped, dropped._with_next(middle[CHALLENGER], spread[CHALLENGER, CHALLENGER], spread[:2, 2:]), evidence

    def as_champion(self) -> SplitLevels:
        """The belief once the tip is the champion."""
        return self._of(TIP)

    def back_to(self, place: int) -> SplitLevels:
        """The belief once the scaffold at this place of the line is the tip again."""
        return self._of(slice(0, 2 * place + 2))

    def with_doubtful_lead(self, error: float) -> SplitLevels:
        """The belief if the tip's lead on each split may also be off by this standard error."""
        covariance = self.covariance.copy()
        covariance[[0, 1], [0, 1]] += error**2
        return replace(self, covariance=covariance)

    def in_new_epoch(self) -> SplitLevels:
        """The belief once all scaffolds may score differently than before: leads stay."""
        same = np.tile(np.eye(2), (self.stacked + 1, self.stacked + 1))
        return replace(self, covariance=self.covariance + VAGUE_VARIANCE * same)

    def _of(self, places: slice) -> SplitLevels:
        """The belief about a part of the line."""
        return replace(self, mean=self.mean[places].copy(), covariance=self.covariance[places, places].copy())

    def _with_tip(self, mean: Floats, covariance: Floats) -> SplitLevels:
        """The belief with other levels of the tip; the others follow by regression."""
        slopes = self._slopes()
        moved, changed = mean - self.mean[TIP], covariance - self.covariance[TIP, TIP]
        after = self.covariance + slopes @ changed @ slopes.T
        return replace(self, mean=self.mean + slopes @ moved, covariance=_symmetric(after))

    def _with_next(self, mean: Floats, covariance: Floats, both: Floats) -> SplitLevels:
        """The belief with one more scaffold, the new tip. `both`: covariances of the old tip's levels (x 2) and its."""
        shared = self._slopes() @ both
        joined = np.block([[self.covariance, shared], [shared.T, covariance]])
        return replace(self, mean=np.concatenate([self.mean, mean]), covariance=_symmetric(joined))

    def _slopes(self) -> Floats:
        """By how much each level moves with each of the tip's (x 2)."""
        return np.asarray(np.linalg.solve(self.covariance[TIP, TIP], self.covariance[TIP]).T)

    def _with_challenger(self, effects: Floats) -> tuple[Floats, Floats]:
        """Means and covariances of tip and challenger, by hypothesis."""
        mean = np.tile(JOINED @ self.mean[TIP], (len(effects), 1))
        mean[:, CHALLENGER] += effects
        covariance = np.tile(JOINED @ self.covariance[TIP, TIP] @ JOINED.T, (len(effects), 1, 1))
        uneven = np.where((np.arange(len(effects)) < len(EFFECTS))[:, None], effects**2 / self.tasks, 0.0)
        covariance[:, [2, 3], [2, 3]] += uneven
        return mean, covariance


def _hypotheses(prior: Floats, suspicion: float) -> tuple[Floats, Floats]:
    """The effects by split (hypotheses x 2) and the weights of all hypotheses about a patch."""
    effects, kinds = _effects_by_split()
    each = kinds * (suspicion / len(JUMPS))
    return effects, np.concatenate([(1 - each.sum()) * prior, each])


@lru_cache(1)
def _effects_by_split() -> tuple[Floats, Floats]:
    """The effects by split of all hypotheses (x 2): alike on both, then jumps; and how likely each jump's kind is."""
    jumps = np.kron([[1, 0], [1, 0.5], [1, 1]], JUMPS[:, None])
    alike = np.repeat(EFFECTS[:, None], 2, axis=1)
    return np.vstack([alike, jumps]), np.repeat([1, HALF_JUMPS, REAL_JUMPS], len(JUMPS))


def _after_scores(mean: Floats, covariance: Floats, scores: Sequence[Score]) -> tuple[Floats, Floats, Floats]:
    """Means and covariances after a challenger's scores by split, and their log-likelihood; by hypothesis."""
    rows = list(range(len(scores)))
    seen = np.zeros((len(scores), 4))
    seen[rows, [2 + row for row in rows]] = 1.0
    seen[rows, rows] = [score.weight - 1 for score in scores]
    miss = np.array([score.value for score in scores]) - mean @ seen.T
    total = seen @ covariance @ seen.T + np.diag([score.error2 for score in scores])
    inverse = np.linalg.inv(total)
    log_likelihood = -0.5 * (np.einsum("hi,hij,hj->h", miss, inverse, miss) + np.log(np.linalg.det(total)))
    gain = covariance @ seen.T @ inverse
    return mean + np.einsum("hij,hj->hi", gain, miss), covariance - gain @ (seen @ covariance), log_likelihood


def _symmetric(matrix: Floats) -> Floats:
    return np.asarray((matrix + matrix.T) / 2)
