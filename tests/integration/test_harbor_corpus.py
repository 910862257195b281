"""Every row of Harbor's format in containers: the reward of the reference solution, here and, if asked for, there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.errors import InfraError
from evolve.core.records import Limits, ModelSpec, SandboxSpec, ScaffoldSource, Split, SuiteProfile, TrialSpec
from evolve.sandbox import images
from evolve.suite.task_files import load_task
from evolve.trial.reward import Reward
from evolve.trial.solving import try_task
from tests.harbor_corpus import CORPUS, Case

pytestmark = pytest.mark.docker
HARBOR = os.environ.get("EVOLVE_HARBOR", "")
DRIVER = Path(__file__).parents[1] / "harbor_oracle.py"
# What Harbor can't do here: it enforces networks by an image from a registry, and knows no base image of Evolve's.
THERE = {
    r'"(no-network|allowlist)"': '"public"', r"allowed_hosts = .*": "", "allow_internet = false": "",
    "python:3.11-slim": "evolve/base:python3",
}  # fmt: skip


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


def rewards_there(folder: Path, cases: Mapping[str, Case]) -> dict[str, float | None]:
    """What Harbor's oracle earns, by task."""
    tasks = [case.written(folder / "tasks" / name) for name, case in cases.items()]
    for file in (file for task in tasks for file in task.rglob("*") if file.name in ("task.toml", "Dockerfile")):
        text = file.read_text()
        for before, after in THERE.items():
            text = re.sub(before, after, text)
        file.write_text(text)
    (folder / "job").mkdir()
    variables = {**os.environ}
    command = [HARBOR, str(DRIVER), str(folder / "job"), *map(str, tasks)]
    done = subprocess.run(command, env=variables, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found = json.loads(done.stdout.decode().splitlines()[-1])
    shutil.rmtree(folder / "job", ignore_errors=True)
    return {name: value if isinstance(value, float) else None for name, value in found.items()}


@pytest.mark.skipif(not HARBOR, reason="EVOLVE_HARBOR names no Python with Harbor")
def test_harbor_gives_the_same_rewards(tmp_path: Path, base: str) -> None:
    assert rewards_there(tmp_path, CORPUS) == {name: case.reward for name, case in CORPUS.items()}
