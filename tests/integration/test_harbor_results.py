"""Tasks of ours, and examples of Harbor's: its oracle earns what `evolve tasks check` finds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evolve.loop.watcher import SilentWatcher
from evolve.runs.check_tasks import check_suite
from evolve.suite.tasks import load_suite
from tests.harbor_there import rewards_there
from tests.stand_ins import bases, stand_ins

pytestmark = pytest.mark.docker
HARBOR = os.environ.get("EVOLVE_HARBOR", "")
THEIRS = os.environ.get("EVOLVE_HARBOR_TASKS", "")
BUNDLED = Path(__file__).parents[2] / "tasks" / "bugfix"
OURS = (
    "age-calculation", "ansi-tokenizer", "base-conversion", "build-order", "business-days", "calculator-parser",
    "case-conversion", "change-making", "combination-sum", "cron-schedule",
)  # fmt: skip


def ours(folder: Path) -> Path:
    """Ten bundled tasks as a suite of their own."""
    folder.mkdir()
    for name in OURS:
        (folder / name).symlink_to(BUNDLED / name)
    (folder / "suite.toml").write_text(f"[splits]\ntrain = {list(OURS)}\n")
    return folder


def rewards_here(suite: Path) -> dict[str, float | None]:
    """What the solution of each task earns, or doing nothing where there is none; None if the tries differ."""
    rewards = {
        found.task: {*(found.solution or found.nothing)} for found in check_suite(load_suite(suite), 2, SilentWatcher())
    }
    return {name: next(iter(values)) if len(values) == 1 else None for name, values in rewards.items()}


def compare(folder: Path, suite: Path, base: str) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """The rewards here and there, and a line with their counts."""
    tasks = sorted(file.parent for file in suite.glob("*/task.toml"))
    with stand_ins(base, bases(suite)):
        there = rewards_there(HARBOR, folder, tasks)
        here = rewards_here(suite)
    same = sum(here[name] == there[name] is not None for name in here)
    print(f"\n{suite.name}: {same} of {len(here)} tasks have the same result here and in Harbor")
    return here, there


@pytest.mark.skipif(not HARBOR, reason="EVOLVE_HARBOR names no Python with Harbor")
def test_ten_bundled_tasks_have_the_same_results_in_harbor(tmp_path: Path, base: str) -> None:
    here, there = compare(tmp_path, ours(tmp_path / "ours"), base)
    assert here == there == dict.fromkeys(OURS, 1.0)


@pytest.mark.skipif(not (HARBOR and THEIRS), reason="EVOLVE_HARBOR names no Python, or EVOLVE_HARBOR_TASKS no folder")
def test_tasks_of_harbors_have_the_same_results_here(tmp_path: Path, base: str) -> None:
    here, there = compare(tmp_path, Path(THEIRS), base)
    assert here == there
