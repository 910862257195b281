"""Whether a challenger voids more of its attempts than the tip: what is missing then is not missing by chance."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from evolve.core.records import TrialResult
from evolve.core.voided import VoidedShare, voided_share

Slot = tuple[str, int]


def chance_of_as_many(new: VoidedShare, tip: VoidedShare) -> float:
    """The probability of as many voided attempts if both had the same share: Fisher's exact test, one-sided."""
    # Not by `scipy.stats`, which takes half a second to import; a test compares the two.
    voided = new.voided + tip.voided
    ways = (
        math.comb(new.attempts, count) * math.comb(tip.attempts, voided - count)
        for count in range(new.voided, min(new.attempts, voided) + 1)
    )
    return sum(ways) / math.comb(new.attempts + tip.attempts, voided)


def veto(
    new: Sequence[TrialResult],
    shown: Collection[Slot],
    tip: Sequence[TrialResult],
    tip_slots: Collection[Slot],
    risk: float,
) -> str:
    """Why a challenger that would be built upon is not, or "".

    Args:
        new: All trials of the challenger. So is `tip` of the tip.
        shown: The slots on which the challenger was judged, and `tip_slots` those of the tip until then: what is run
            later must not change the decision.
        risk: The probability up to which the shares count as different.
    """
    its, tips = (
        voided_share(t for t in new if slot_of(t) in shown),
        voided_share(t for t in tip if slot_of(t) in tip_slots),
    )
    if chance_of_as_many(its, tips) > risk:
        return ""
    return f"faults of the model's API or the grader voided {its} of its attempts, and {tips} of the tip's"


def slot_of(trial: TrialResult) -> Slot:
    return trial.task, trial.attempt
