"""Whether validation by itself supports a patch, and a stack of patches; a condition beside the rule that takes them.

A patch may help on train alone: it memorised train tasks, or it fits what only they have. Pooled trials show that as a
gain. So train and validation are modelled apart (`split_levels`), and what helps on train alone is a hypothesis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from evolve.gate.levels import Score
from evolve.gate.prior import Floats
from evolve.gate.split_levels import SplitEvidence, SplitLevels

# The share of patches that help on train alone, for the judgement of a single patch.
SUSPICION = 0.05
# The same for the belief about a stack, which has to earn its lead on validation.
SUSPICION_OF_STACK = 0.2
# A patch that helps on train alone with a smaller probability is supported, one with a larger one is refuted.
SUPPORTED, REFUTED = 0.15, 0.9
AT_LAST = 0.7


class Support(StrEnum):
    """What validation says. UNCLEAR: more trials on validation can tell."""

    YES = "yes"
    UNCLEAR = "unclear"
    NO = "no"


@dataclass(frozen=True)
class Generalisation:
    """The evidence on both splits after some rounds. A value, like the rule that holds it."""

    levels: SplitLevels

    @classmethod
    def begin(cls, train: int, validation: int) -> Generalisation | None:
        """The condition for a suite with so many tasks in each split; None if one has none."""
        return cls(SplitLevels.begin(train, validation)) if train and validation else None

    def after_tip_trials(self, scores: Sequence[Score | None]) -> Generalisation:
        """`scores`: of the tip, by split; None where it did not run."""
        return replace(self, levels=self.levels.after_tip_trials(scores))

    def after_champion_trials(self, scores: Sequence[Score | None]) -> Generalisation:
        """`scores`: of the champion, by split; None where it did not run."""
        return replace(self, levels=self.levels.after_champion_trials(scores))

    def after_dropped(self, scores: Sequence[Score], prior: Floats) -> Generalisation:
        """After a challenger that is dropped. `scores`: by split, of train alone if it never ran on validation."""
        return replace(self, levels=self.levels.after_challenger(scores, prior, SUSPICION_OF_STACK)[0])

    def after_taken(self, scores: Sequence[Score], prior: Floats) -> Generalisation:
        """After a challenger that becomes the tip."""
        return replace(self, levels=self.levels.after_challenger(scores, prior, SUSPICION_OF_STACK)[1])

    def after_promotion(self) -> Generalisation:
        """After the tip became champion."""
        return replace(self, levels=self.levels.as_champion())

    def after_going_back(self, place: int) -> Generalisation:
        """After the scaffold at this place of the line became the tip again."""
        return replace(self, levels=self.levels.back_to(place))

    def with_doubtful_lead(self, error: float) -> Generalisation:
        """If the stack's lead may also be off by this standard error."""
        return replace(self, levels=self.levels.with_doubtful_lead(error))

    def in_new_epoch(self) -> Generalisation:
        """After a change by which all scaffolds may score differently."""
        return replace(self, levels=self.levels.in_new_epoch())

    def evidence(self, scores: Sequence[Score], prior: Floats) -> SplitEvidence:
        """The evidence on a challenger with these scores."""
        return self.levels.after_challenger(scores, prior, SUSPICION)[2]

    def raw_effects(self, scores: Sequence[Score]) -> tuple[float, float]:
        """A challenger's measured effects on train and validation, which have both run."""
        tip = self.levels.mean[-2:].tolist()
        train, validation = (score.value - score.weight * mean for score, mean in zip(scores, tip, strict=True))
        return train, validation

    def stack_is_supported(self, margin: float, risk: float) -> bool:
        """Whether the tip's lead on validation is below `margin` with a probability of `risk` at most."""
        return self.levels.behind(margin) <= risk


def support(evidence: SplitEvidence, last: bool = False) -> Support:
    """Judge a patch by the probability that it helps on train alone. `last`: no more trials can be had."""
    if evidence.train_only <= (AT_LAST if last else SUPPORTED):
        return Support.YES
    return Support.NO if last or evidence.train_only >= REFUTED else Support.UNCLEAR
