"""Which trials a challenger gets, stage by stage: on all tasks of a small suite, on samples of a large one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from evolve.core.records import stable_hash

# The most trials of a pass. A larger suite's pass is a sample of its tasks, another one in each round.
PASS_TRIALS = 44
# Of them, the fewest on validation, where there are so many tasks.
LEAST_VALIDATION = 16


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

    again: the tasks on which an implausible gain is measured again; empty: it never is. passes: how many are done at
    the end of each stage after the first pass. draw: what a large suite's tasks are drawn by; stage_trials: how many of
    them a stage has, 0: as many as a small suite's. rungs: the stages after which a race drops the worse half.
    """

    count: int
    validation: tuple[int, ...]
    stages: tuple[tuple[Part, ...], ...]
    screens: int
    again: tuple[int, ...] = ()
    passes: tuple[int, ...] = (1,)
    draw: int = 0
    stage_trials: int = 0
    rungs: tuple[int, ...] = ()

    @property
    def everything(self) -> tuple[int, ...]:
        """All tasks."""
        return _others(self.count, ())

    @property
    def train(self) -> tuple[int, ...]:
        """The tasks that are not of validation."""
        return _others(self.count, self.validation)

    @property
    def trials(self) -> tuple[int, ...]:
        """The number of a challenger's trials at the end of each stage."""
        sizes = [sum(len(part.tasks) for part in parts) for parts in self.stages]
        return tuple(np.cumsum(sizes).tolist())

    @property
    def sampled(self) -> bool:
        """Whether a pass is a sample of the tasks."""
        return self.count > PASS_TRIALS

    @property
    def idle_from(self) -> int:
        """The stage after which a patch is idle if nothing differed: as many trials as a pass has on train."""
        if not (self.sampled and self.stage_trials):
            return 1
        return next(place for place, trials in enumerate(self.trials) if trials >= self._train_trials)

    @property
    def pass_trials(self) -> int:
        """The trials of a pass."""
        return min(self.count, PASS_TRIALS)

    def pass_parts(self, number: int) -> tuple[Part, ...]:
        """The trials of one pass; 0 is the first."""
        if not self.sampled:
            return (Part(number, self.everything),)
        return (*self._train_parts(number), *self.validation_parts(number))

    def validation_parts(self, number: int) -> tuple[Part, ...]:
        """The trials of one pass on validation alone."""
        if not self.sampled:
            return (Part(number, self.validation),)
        size = self._validation_trials
        return _take(self.validation, self.draw, number * size, size)

    def again_chosen(self, trials: int) -> tuple[int, ...]:
        """The tasks on which a gain is measured again, of a large suite as many as so many trials need."""
        if not self.sampled or len(self.again) <= LEAST_VALIDATION:
            return self.again
        return _shuffled(self.again, self.draw, -1)[: max(trials, LEAST_VALIDATION)]

    def drawn(self, draw: int) -> SuitePlan:
        """The plan of a round whose tasks are drawn by this number; of a small suite, the same plan."""
        if not self.sampled:
            return self
        new = replace(self, draw=draw)
        if self.stage_trials:
            return new._with_short_stages()
        stages = tuple(stage for stage in new._sampled_stages() if stage)
        return replace(new, stages=stages, rungs=tuple(range(len(stages))))

    def _sampled_stages(self) -> Iterator[tuple[Part, ...]]:
        half = self._half_of_train
        yield _take(self.train, self.draw, 0, half)
        yield _take(self.train, self.draw, half, self._train_trials - half)
        yield self.validation_parts(0)
        for before, after in zip((1, *self.passes), self.passes, strict=False):
            yield tuple(part for number in range(before, after) for part in self.pass_parts(number))

    def _with_short_stages(self) -> SuitePlan:
        """Each pass as half of train, validation and the rest of train, in stages of some `stage_trials`.

        What has run half of train and all of validation can be taken; without validation, what has run all of train.
        """
        thirds = [list(third) for number in range(self.passes[-1]) for third in self._thirds(number)]
        ends = np.cumsum([len(third) for third in thirds])
        stages = tuple(stage for third in thirds for stage in third)
        screens = int(ends[1 if self.validation else 2]) - 1
        return replace(self, stages=stages, screens=screens, rungs=tuple((np.unique(ends) - 1).tolist()))

    def _thirds(self, number: int) -> Iterator[Iterator[tuple[Part, ...]]]:
        start, half, whole = number * self._train_trials, self._half_of_train, self._train_trials
        yield self._pieces(self.train, start, half)
        yield self._pieces(self.validation, number * self._validation_trials, self._validation_trials)
        yield self._pieces(self.train, start + half, whole - half)

    def _pieces(self, tasks: tuple[int, ...], start: int, size: int) -> Iterator[tuple[Part, ...]]:
        """So many trials of a split's row, in stages of nearly equal size."""
        count = max(round(size / self.stage_trials), 1)
        for before, after in pairwise(size * number // count for number in range(count + 1)):
            if after > before:
                yield _take(tasks, self.draw, start + before, after - before)

    def _train_parts(self, number: int) -> tuple[Part, ...]:
        return _take(self.train, self.draw, number * self._train_trials, self._train_trials)

    @property
    def _half_of_train(self) -> int:
        return -(-self._train_trials // 2)

    @property
    def _train_trials(self) -> int:
        return PASS_TRIALS - self._validation_trials

    @property
    def _validation_trials(self) -> int:
        size = len(self.validation)
        least = max(round(PASS_TRIALS * size / self.count), min(LEAST_VALIDATION, size))
        return max(least, PASS_TRIALS - (self.count - size))


def plan(
    first: Sequence[int],
    train: Sequence[int],
    validation: Sequence[int],
    passes: Sequence[int],
    again: Sequence[int] = (),
    stage_trials: int = 0,
) -> SuitePlan:
    """Plan the stages.

    Args:
        first: The half of `train` that is run first.
        passes: How many are done at the end of each later stage.
        again: The tasks on which an implausible gain is measured again.
        stage_trials: Of a stage of a sample; 0: as many as a small suite's stages have.
    """
    rest = tuple(sorted({*train} - {*first}))
    everything = tuple(range(len(train) + len(validation)))
    first_stages = [part for part in (tuple(first), rest, tuple(validation)) if part]
    stages_: list[tuple[Part, ...]] = [(Part(0, tasks),) for tasks in first_stages]
    for before, after in zip((1, *passes), passes, strict=False):
        if after > before:
            stages_.append(tuple(Part(attempt, everything) for attempt in range(before, after)))
    return SuitePlan(
        count=len(everything),
        validation=tuple(validation),
        stages=tuple(stages_),
        screens=len(first_stages) - 1,
        again=tuple(again),
        passes=tuple(passes),
        stage_trials=stage_trials,
        rungs=tuple(range(len(stages_))),
    ).drawn(0)


def _take(tasks: tuple[int, ...], draw: int, start: int, size: int) -> tuple[Part, ...]:
    """So many trials of an endless row: the tasks in a drawn order on attempt 0, in another one on attempt 1, ..."""
    parts, end = [], start + size
    while start < end:
        attempt, place = divmod(start, len(tasks))
        chosen = _shuffled(tasks, draw, attempt)[place : place + end - start]
        parts.append(Part(attempt, chosen))
        start += len(chosen)
    return tuple(parts)


@lru_cache(64)
def _others(count: int, tasks: tuple[int, ...]) -> tuple[int, ...]:
    """All tasks but these, in order."""
    return tuple(sorted({*range(count)} - {*tasks}))


@lru_cache(64)
def _shuffled(tasks: tuple[int, ...], draw: int, attempt: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng(stable_hash("tasks", draw, attempt)).permutation(tasks).tolist())
