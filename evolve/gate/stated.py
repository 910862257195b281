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


@dataclass(frozen=True)
class StatedEffect:
    """A patch's effect on the mean reward and its standard error. `parent`: the round of the scaffold it patches."""

    effect: float
    error: float
    parent: int

    def __post_init__(self) -> None:
        if not self.error >= 0:
            raise ValueError(f"an error can't be negative: {self}")


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
    old, new = _by_task(before), _by_task(after)
    own = _by_task(unselected_trials(parent, before))
    pairs = [_means(old[task], new[task], own.get(task, {})) for task in tasks if task in old and task in new]
    if len(pairs) < 2:
        return None
    means = np.array(pairs)
    differences = means[:, 1] - means[:, 0]
    half = min(half_width(differences, means), 1.0)
    return StatedEffect(float(differences.mean()), half / INTERVAL_ERRORS, parent.round)


def _by_task(trials: Sequence[TrialResult]) -> dict[str, dict[int, float]]:
    """The rewards by attempt, by task."""
    rewards: dict[str, dict[int, float]] = {}
    for trial in trials:
        if trial.reward is not None:
            rewards.setdefault(trial.task, {})[trial.attempt] = trial.reward
    return rewards


def _means(old: Mapping[int, float], new: Mapping[int, float], own: Mapping[int, float]) -> tuple[float, float]:
    """The mean rewards on one task before and after. `own`: those of `old` that did not choose the parent."""
    if shared := old.keys() & new.keys():
        return fmean(old[attempt] for attempt in shared), fmean(new[attempt] for attempt in shared)
    return fmean((own or old).values()), fmean(new.values())
