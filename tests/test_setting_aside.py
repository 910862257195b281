"""Tasks whose images can't be built: a few are set aside, by name and for good; too many stop a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.records import Split, Task, TaskImage
from evolve.store import TaskRow
from evolve.suite.tasks import Suite
from evolve.suite.unbuildable import Build, equipped, lines
from tests.fakes import task

TASKS = tuple(
    task(f"{split}-{number:02}", split)
    for split, count in {Split.TRAIN: 18, Split.VALIDATION: 10, Split.HOLDOUT: 2}.items()
    for number in range(count)
)
SUITE = Suite(Path("tasks/some"), TASKS)


def builds(*broken: str, seen: list[str] | None = None) -> Build:
    """All images but some."""

    def build(tasks: Sequence[Task]) -> tuple[dict[str, TaskImage], dict[str, str]]:
        if seen is not None:
            seen.extend(one.name for one in tasks)
        made = {one.name: TaskImage(one.name, "/app") for one in tasks if one.name not in broken}
        return made, {one.name: f"{one.name}: does not build" for one in tasks if one.name in broken}

    return build


def rows(*aside: str) -> list[TaskRow]:
    return [TaskRow(t.name, t.split, t.difficulty, t.digest, "why" if t.name in aside else None) for t in TASKS]


def test_where_all_can_be_built_nothing_is_said() -> None:
    said: list[str] = []
    made = equipped(SUITE, [], builds(), said.append)
    assert (made.suite, dict(made.aside), said) == (SUITE, {}, [])
    assert set(made.images) == {one.name for one in TASKS}


def test_a_new_run_does_without_a_few_in_every_split() -> None:
    said: list[str] = []
    made = equipped(SUITE, [], builds("train-03", "validation-01", "holdout-00"), said.append)
    left = {split: len(made.suite.split(split)) for split in Split}
    assert left == {Split.TRAIN: 17, Split.VALIDATION: 9, Split.HOLDOUT: 1}
    assert set(made.images) == {one.name for one in made.suite.tasks}
    assert said[0] == "3 tasks are set aside: this run does without holdout-00, train-03, validation-01"
    assert said[1:] == [f"  {name}: does not build" for name in ("holdout-00", "train-03", "validation-01")]


def test_more_than_one_in_ten_is_too_many() -> None:
    broken = [f"train-{number:02}" for number in range(4)]
    with pytest.raises(BadInput) as caught:
        equipped(SUITE, [], builds(*broken), print)
    assert str(caught.value) == (
        "tasks/some: the images of 4 of 30 tasks can't be built (train-00, train-01, train-02, ...), "
        "and a run does without 10% of them at most; mend them first; train-00: does not build"
    )


def test_no_split_may_be_left_empty() -> None:
    with pytest.raises(BadInput, match=r"2 of 30 tasks can't be built .*, and holdout would be empty"):
        equipped(SUITE, [], builds("holdout-00", "holdout-01"), print)


def test_a_split_that_never_had_a_task_is_not_missed() -> None:
    suite = Suite(Path("s"), SUITE.split(Split.TRAIN))
    assert len(equipped(suite, [], builds("train-00"), print).suite.tasks) == 17


def test_what_is_set_aside_stays_so_though_it_would_build_now() -> None:
    said: list[str] = []
    seen: list[str] = []
    made = equipped(SUITE, rows("train-03"), builds(seen=seen), said.append)
    assert "train-03" not in seen and len(made.suite.tasks) == 29
    assert said == ["1 task is set aside: this run does without train-03", "  why"]


def test_a_run_that_is_gone_on_with_needs_all_that_it_uses() -> None:
    with pytest.raises(BadInput, match=r"task train-04: this run uses it, and its image can't be built any more"):
        equipped(SUITE, rows("train-03"), builds("train-03", "train-04"), print)


def test_of_nothing_there_is_nothing_to_say() -> None:
    assert lines({}) == []
