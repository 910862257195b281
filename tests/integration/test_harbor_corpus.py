"""Every row of Harbor's format in containers: the reward of the reference solution, here and, if asked for, there."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.errors import InfraError
from evolve.core.records import Limits, ModelSpec, SandboxSpec, ScaffoldSource, Split, SuiteProfile, TrialSpec
from evolve.sandbox import images
from evolve.suite.task_files import load_task
from evolve.trial.reward import Reward
from evolve.trial.solving import try_task
from tests.harbor_corpus import CORPUS
from tests.harbor_there import rewards_there

pytestmark = pytest.mark.docker
HARBOR = os.environ.get("EVOLVE_HARBOR", "")


def oracle(folder: Path, base: str, owner: str) -> float | None:
    """The reward of a task's reference solution; None if the tests give none."""
    task = load_task(folder, Split.TRAIN, SuiteProfile.LOOSE, harbor=True, pass_env=())
    scaffold = ScaffoldSource(folder.parent / "scaffold", "main.py", base)
    model = ModelSpec("embedded", prompt_price=0, completion_price=0)
    spec = TrialSpec(
        "tests", "c" * 40, replace(task, sandbox=replace(task.sandbox, pids=256)), images.task_image(task, base),
        scaffold, 0, 7, model, Limits(calls=5, seconds=60), SandboxSpec(memory_mb=128), folder.parent / "run", owner,
    )  # fmt: skip
    try:
        grade = try_task(spec, solve=True).grade
    except InfraError:  # the task's environment can't be used, as in Harbor
        return None
    return grade.value if isinstance(grade, Reward) else None


@pytest.mark.parametrize("name", CORPUS)
def test_the_solution_earns_what_it_earns_in_harbor(tmp_path: Path, base: str, swept: str, name: str) -> None:
    case = CORPUS[name]
    assert oracle(case.written(tmp_path / name), base, swept) == pytest.approx(case.reward)


@pytest.mark.skipif(not HARBOR, reason="EVOLVE_HARBOR names no Python with Harbor")
def test_harbor_gives_the_same_rewards(tmp_path: Path, base: str) -> None:
    tasks = [case.written(tmp_path / "cases" / name) for name, case in CORPUS.items()]
    found = rewards_there(HARBOR, tmp_path, tasks)
    expected = {name: case.reward for name, case in CORPUS.items()}
    print(f"{sum(found.get(name) == reward for name, reward in expected.items())} of {len(expected)} agree")
    assert found == expected
