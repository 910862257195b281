"""Splits of tasks: everything is in one of them, in the right shares, whatever the order."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import Split
from evolve.suite.split import SHARES, split_tasks

TASKS = st.dictionaries(
    st.text("abcdef-", min_size=1, max_size=6), st.sampled_from(["easy", "medium", "hard"]), max_size=80
)


@given(TASKS, st.integers(0, 5))
def test_each_task_is_in_one_split(tasks: dict[str, str], seed: int) -> None:
    splits = split_tasks(tasks, seed)
    assert sorted(name for names in splits.values() for name in names) == sorted(tasks)
    assert set(splits) == set(Split) and (splits[Split.TRAIN] or not tasks)


@given(TASKS, st.integers(0, 5))
def test_each_split_has_its_share_of_each_difficulty(tasks: dict[str, str], seed: int) -> None:
    for split, names in split_tasks(tasks, seed).items():
        counts = Counter(tasks[name] for name in names)
        for difficulty, total in Counter(tasks.values()).items():
            assert abs(counts[difficulty] - SHARES[split] * total) <= 1


@given(TASKS, st.integers(0, 5))
def test_the_order_of_the_tasks_changes_nothing(tasks: dict[str, str], seed: int) -> None:
    reordered = dict(sorted(tasks.items(), reverse=True))
    assert split_tasks(reordered, seed) == split_tasks(tasks, seed)


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1)), (60, (30, 15, 15))]
)
def test_sizes(count: int, sizes: tuple[int, ...]) -> None:
    splits = split_tasks({f"task-{number}": "unknown" for number in range(count)})
    assert tuple(len(splits[split]) for split in Split) == sizes


def test_the_seed_draws_another_split() -> None:
    tasks = {f"task-{number}": "unknown" for number in range(20)}
    assert len({split_tasks(tasks, seed)[Split.HOLDOUT] for seed in range(10)}) > 5
    assert split_tasks(tasks, 3) == split_tasks(tasks, 3)
