"""Compare two scaffolds task by task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

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


class Paired(Protocol):
    """The reward of a new scaffold in one trial; `before`: that of the old one there, if it has one."""

    @property
    def task(self) -> str: ...
    @property
    def reward(self) -> float: ...
    @property
    def before(self) -> float | None: ...


def task_changes(old: Iterable[Scored], new: Iterable[Scored]) -> TaskChanges:
    """Compare the trials of two scaffolds, on the tasks that both have tried. Ignores infrastructure errors."""
    before, after = _rewards(old), _rewards(new)
    return _changes(
        {
            task: [(reward, before.get(task, {}).get(n)) for n, reward in rewards.items()]
            for task, rewards in after.items()
        }
    )


def paired_changes(pairs: Iterable[Paired]) -> TaskChanges:
    """The same from the new scaffold's trials that count."""
    by_task: dict[str, list[tuple[float, float | None]]] = {}
    for pair in pairs:
        by_task.setdefault(pair.task, []).append((pair.reward, pair.before))
    return _changes(by_task)


def _changes(rewards: Mapping[str, Sequence[tuple[float, float | None]]]) -> TaskChanges:
    """By the pairs of rewards, new and old, of each task."""
    differences: dict[str, float] = {}
    for task in sorted(rewards):
        if shared := [after - before for after, before in rewards[task] if before is not None]:
            differences[task] = fmean(shared)
    return TaskChanges(
        tuple(task for task, difference in differences.items() if difference > 0),
        tuple(task for task, difference in differences.items() if difference < 0),
        tuple(task for task in sorted(rewards) if len({after for after, _ in rewards[task]}) > 1),
    )


def _rewards(trials: Iterable[Scored]) -> Mapping[str, dict[int, float]]:
    """Return the rewards by task and attempt."""
    rewards: dict[str, dict[int, float]] = {}
    for trial in trials:
        if trial.reward is not None:
            rewards.setdefault(trial.task, {})[trial.attempt] = trial.reward
    return rewards
