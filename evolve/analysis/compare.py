"""What became of each task from one scaffold to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from evolve.core.records import TrialResult


@dataclass(frozen=True)
class TaskChanges:
    """Names of tasks, sorted. fixed, broken: the mean reward rose or fell, over the attempts that both scaffolds made;
    unstable: attempts of the new scaffold went differently."""

    fixed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    unstable: tuple[str, ...] = ()


def task_changes(old: Iterable[TrialResult], new: Iterable[TrialResult]) -> TaskChanges:
    """Of tasks that both were tried at; infrastructure errors are no evidence."""
    before, after = _rewards(old), _rewards(new)
    moves: dict[str, float] = {}
    for task in sorted(before.keys() & after.keys()):
        shared = before[task].keys() & after[task].keys()
        if shared:
            moves[task] = fmean(after[task][n] - before[task][n] for n in shared)
    return TaskChanges(
        tuple(task for task, move in moves.items() if move > 0),
        tuple(task for task, move in moves.items() if move < 0),
        tuple(task for task in sorted(after) if len(set(after[task].values())) > 1),
    )


def _rewards(trials: Iterable[TrialResult]) -> Mapping[str, dict[int, float]]:
    """By task and attempt."""
    found: dict[str, dict[int, float]] = {}
    for trial in trials:
        if trial.reward is not None:
            found.setdefault(trial.task, {})[trial.attempt] = trial.reward
    return found
