"""Tasks whose images can't be built: a run excludes a few, by name and permanently; too many stop it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.records import Split, SuiteProfile, Task, TaskImage
from evolve.store import TaskRow
from evolve.suite.tasks import Suite
from evolve.suite.unbuildable import Build, describe_excluded, exclude_unbuildable
from tests.fakes import task

TASKS = tuple(
    task(f"{split}-{number:02}", split)
    for split, count in {Split.TRAIN: 18, Split.VALIDATION: 10, Split.HOLDOUT: 2}.items()
    for number in range(count)
)
SUITE = Suite(Path("tasks/some"), TASKS)


def build_except(*broken: str, seen: list[str] | None = None) -> Build:
    """A builder that fails for the named tasks and records the tasks it is asked for in `seen`."""

    def build(tasks: Sequence[Task]) -> tuple[dict[str, TaskImage], dict[str, str]]:
        names = [task.name for task in tasks]
        if seen is not None:
            seen.extend(names)
        images = {name: TaskImage(name, "/app") for name in names if name not in broken}
        return images, {name: f"{name}: does not build" for name in names if name in broken}

    return build


def rows(*excluded: str) -> list[TaskRow]:
    return [TaskRow(t.name, t.split, t.difficulty, t.digest, "why" if t.name in excluded else None) for t in TASKS]


def test_a_suite_that_builds_is_used_whole_and_prints_nothing() -> None:
    lines: list[str] = []
    usable = exclude_unbuildable(SUITE, [], build_except(), lines.append)
    assert (usable.suite, dict(usable.excluded), lines) == (SUITE, {}, [])
    assert set(usable.images) == {task.name for task in TASKS}


def test_a_new_run_excludes_a_few_tasks_in_every_split() -> None:
    lines: list[str] = []
    broken = build_except("train-03", "validation-01", "holdout-00")
    usable = exclude_unbuildable(SUITE, [], broken, lines.append)
    counts = {split: len(usable.suite.split(split)) for split in Split}
    assert counts == {Split.TRAIN: 17, Split.VALIDATION: 9, Split.HOLDOUT: 1}
    assert set(usable.images) == {task.name for task in usable.suite.tasks}
    assert lines[0] == "3 tasks excluded from this run: holdout-00, train-03, validation-01"
    assert lines[1:] == [f"  {name}: does not build" for name in ("holdout-00", "train-03", "validation-01")]


def test_more_than_one_in_ten_is_too_many() -> None:
    broken = [f"train-{number:02}" for number in range(4)]
    with pytest.raises(BadInput) as caught:
        exclude_unbuildable(SUITE, [], build_except(*broken), print)
    assert str(caught.value) == (
        "tasks/some: the images of 4 of 30 tasks can't be built (train-00, train-01, train-02, ...), "
        "and a run may exclude at most 10% of them; fix them first; train-00: does not build"
    )


def test_no_split_may_become_empty() -> None:
    with pytest.raises(BadInput, match=r"2 of 30 tasks can't be built .*, and holdout would be empty"):
        exclude_unbuildable(SUITE, [], build_except("holdout-00", "holdout-01"), print)


def test_a_split_without_tasks_may_stay_empty() -> None:
    suite = Suite(Path("s"), SUITE.split(Split.TRAIN))
    assert len(exclude_unbuildable(suite, [], build_except("train-00"), print).suite.tasks) == 17


def test_an_excluded_task_stays_excluded_even_if_it_would_build_now() -> None:
    lines: list[str] = []
    seen: list[str] = []
    usable = exclude_unbuildable(SUITE, rows("train-03"), build_except(seen=seen), lines.append)
    assert "train-03" not in seen and len(usable.suite.tasks) == 29
    assert lines == ["1 task excluded from this run: train-03", "  why"]


def test_a_resumed_run_needs_every_task_that_it_uses() -> None:
    with pytest.raises(BadInput, match=r"task train-04: this run uses it, but its image no longer builds"):
        exclude_unbuildable(SUITE, rows("train-03"), build_except("train-03", "train-04"), print)


def test_without_exclusions_nothing_is_printed() -> None:
    assert describe_excluded({}) == []


OTHERS = Suite(
    Path("others"), TASKS[:4], SuiteProfile.LOOSE, True, (task("odd", Split.TRAIN),), {"odd": "odd: key `x` is refused"}
)


def test_what_a_suite_refused_is_excluded_and_printed() -> None:
    lines: list[str] = []
    usable = exclude_unbuildable(OTHERS, [], build_except(), lines.append)
    assert dict(usable.excluded) == {"odd": "odd: key `x` is refused"}
    assert lines == ["1 task excluded from this run: odd", "  odd: key `x` is refused"]


def test_of_other_peoples_tasks_any_number_may_fail_to_build() -> None:
    usable = exclude_unbuildable(OTHERS, [], build_except(*(task.name for task in TASKS[:3])), print)
    assert len(usable.suite.tasks) == 1 and len(usable.excluded) == 4
    with pytest.raises(BadInput, match="train would be empty"):
        exclude_unbuildable(OTHERS, [], build_except(*(task.name for task in TASKS[:4])), print)


def test_a_resumed_run_keeps_its_exclusions_whatever_the_suite_refuses_now() -> None:
    stored = [TaskRow(t.name, t.split, t.difficulty, t.digest, "then" if t.name == "train-03" else None) for t in TASKS]
    usable = exclude_unbuildable(OTHERS, stored, build_except(), print)
    assert dict(usable.excluded) == {"train-03": "then"}
