"""Which trials a challenger gets, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Part:
    """Some tasks (by index), on one attempt, counted from the tip's first.

    again: counted from the first of the attempts that the challenger has for itself.
    """

    attempt: int
    tasks: tuple[int, ...]
    again: bool = False


@dataclass(frozen=True)
class SuitePlan:
    """The suite as the rule sees it. `stages`: the parts that each adds; `screens`: how many of them can only drop.

    again: the tasks on which an implausible gain is measured again; empty: it never is.
    """

    count: int
    validation: tuple[int, ...]
    stages: tuple[tuple[Part, ...], ...]
    screens: int
    again: tuple[int, ...] = ()

    @property
    def everything(self) -> tuple[int, ...]:
        """All tasks."""
        return tuple(range(self.count))

    @property
    def train(self) -> tuple[int, ...]:
        """The tasks that are not of validation."""
        return tuple(sorted({*self.everything} - {*self.validation}))

    @property
    def trials(self) -> tuple[int, ...]:
        """The number of a challenger's trials at the end of each stage."""
        sizes = [sum(len(part.tasks) for part in parts) for parts in self.stages]
        return tuple(np.cumsum(sizes).tolist())


def plan(
    first: Sequence[int],
    train: Sequence[int],
    validation: Sequence[int],
    passes: Sequence[int],
    again: Sequence[int] = (),
) -> SuitePlan:
    """Plan the stages.

    Args:
        first: The half of `train` that is run first.
        passes: Over all tasks, in later stages.
        again: The tasks on which an implausible gain is measured again.
    """
    rest = tuple(sorted({*train} - {*first}))
    everything = tuple(range(len(train) + len(validation)))
    first_stages = [part for part in (tuple(first), rest, tuple(validation)) if part]
    stages_: list[tuple[Part, ...]] = [(Part(0, tasks),) for tasks in first_stages]
    for before, after in zip((1, *passes), passes, strict=False):
        if after > before:
            stages_.append(tuple(Part(attempt, everything) for attempt in range(before, after)))
    screens = len(first_stages) - 1 if validation else 0
    return SuitePlan(len(everything), tuple(validation), tuple(stages_), screens, tuple(again))
