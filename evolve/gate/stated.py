"""The effect of a patch as it is stated: its trials against the parent's own, not against what the rule believes.

The rule's belief about a tip is careful: it lags behind a gain that few trials showed. Measured against it, a patch
that changes nothing would seem to bring what its parent brought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from evolve.core.attempts import unselected_trials
from evolve.core.records import Candidate, TrialResult
from evolve.core.scores import INTERVAL_ERRORS
from evolve.gate.comparison import half_width
from evolve.gate.voids import Slot, slot_of


@dataclass(frozen=True)
class StatedEffect:
    """A patch's effect on the mean reward and its standard error. `parent`: the round of the scaffold it patches."""

    effect: float
    error: float
    parent: int

    def __post_init__(self) -> None:
        if not self.error > 0 or not -1 <= self.effect <= 1:
            raise ValueError(f"an effect is a difference of shares, and never certain: {self}")


def stated_effect(
    parent: Candidate, before: Sequence[TrialResult], after: Sequence[TrialResult], tasks: Sequence[str]
) -> StatedEffect | None:
    """Compare a patch with its parent, task by task.

    A task that both ran on the same attempts is compared on these alone. Elsewhere the parent's trials count that did
    not choose it.

    Args:
        parent: The scaffold that the patch changes.
        before: All trials of the parent.
        after: All trials of the patch.
        tasks: Names of those that the gate may know.

    Returns:
        None if fewer than two tasks have trials of both.
    """
    old, new = _rewards(before), _rewards(after)
    own = {slot_of(trial) for trial in unselected_trials(parent, before)}
    pairs = [pair for task in tasks if (pair := _means(task, old, new, own))]
    if len(pairs) < 2:
        return None
    means = np.array(pairs)
    differences = means[:, 1] - means[:, 0]
    return StatedEffect(float(differences.mean()), half_width(differences, means) / INTERVAL_ERRORS, parent.round)


def _rewards(trials: Sequence[TrialResult]) -> dict[Slot, float]:
    return {slot_of(trial): trial.reward for trial in trials if trial.reward is not None}


def _means(
    task: str, old: Mapping[Slot, float], new: Mapping[Slot, float], own: set[Slot]
) -> tuple[float, float] | None:
    """The mean rewards on a task before and after; None if one of them has no trial of it."""
    before, after = ([slot for slot in rewards if slot[0] == task] for rewards in (old, new))
    if shared := [slot for slot in after if slot in old]:
        before = after = shared
    else:
        before = [slot for slot in before if slot in own] or before
    if not before or not after:
        return None
    return fmean(old[slot] for slot in before), fmean(new[slot] for slot in after)
