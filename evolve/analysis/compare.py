"""Compare two scaffolds task by task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from evolve.core.records import Scored


@dataclass(frozen=True)
class TaskChanges:
    """Names of tasks, sorted.

    Attributes:
        fixed: The mean reward rose, over the attempts that both scaffolds made.
        broken: It fell.
        unstable: The attempts of the new scaffold had different rewards.
    """

    fixed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    unstable: tuple[str, ...] = ()


def task_changes(old: Iterable[Scored], new: Iterable[Scored]) -> TaskChanges:
    """Compare the trials of two scaffolds, on the tasks that both have tried. Ignores infrastructure errors."""
    before, after = _rewards(old), _rewards(new)
    differences: dict[str, float] = {}
    for task in sorted(before.keys() & after.keys()):
        shared = before[task].keys() & after[task].keys()
        if shared:
            differences[task] = fmean(after[task][n] - before[task][n] for n in shared)
    return TaskChanges(
        tuple(task for task, difference in differences.items() if difference > 0),
        tuple(task for task, difference in differences.items() if difference < 0),
        tuple(task for task in sorted(after) if len(set(after[task].values())) > 1),
    )


def _rewards(trials: Iterable[Scored]) -> Mapping[str, dict[int, float]]:
    """Return the rewards by task and attempt."""
    rewards: dict[str, dict[int, float]] = {}
    for trial in trials:
        if trial.reward is not None:
            rewards.setdefault(trial.task, {})[trial.attempt] = trial.reward
    return rewards
