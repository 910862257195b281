"""Code left in the project that mutates it during the verdict until the hidden tests pass."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.records import Outcome, Split, Task, TaskImage
from evolve.sandbox import images
from evolve.suite.tasks import load_task
from tests.built import building
from tests.judged import DECOY_JUDGE, VERIFIER, decoy_verdict, judge

from .conftest import Arena

BUGFIX = VERIFIER.parent
ORACLE = Path(__file__).with_name("oracle.py")
HOOK = "\nimport _oracle\n_oracle.wake(__name__, globals())\n"
TASK = "case-conversion"
# EVOLVE_EVERY_TASK=1 attacks all bundled tasks, with more time for the search than a verdict has: an hour or two.
EVERY_TASK = bool(os.environ.get("EVOLVE_EVERY_TASK"))
SEARCH_SECONDS, JUDGE_SECONDS = ("45", "60") if EVERY_TASK else ("11", "15")
LEAVES = """
import evolve_door as door
for path, text in {files!r}.items():
    door.write(path, text)
"""


def planted(task: str, *look: str) -> dict[str, str]:
    """A project's files with the attack in them, which looks for tests in these places."""
    project = BUGFIX / task / "environment" / "project"
    files = {str(path.relative_to(project)): path.read_text() for path in project.rglob("*.py")}
    hooked = {name: text if name.startswith("tests/") else text + HOOK for name, text in files.items()}
    lines = [f"LOOK = {look!r}" if line.startswith("LOOK = ") else line for line in ORACLE.read_text().splitlines()]
    return {**hooked, "_oracle.py": "\n".join(lines)}


@pytest.fixture(scope="module")
def bundled(base: str) -> tuple[Task, TaskImage]:
    task = load_task(BUGFIX / TASK, Split.TRAIN)
    with building():
        return task, images.task_image(task, base)


@pytest.mark.docker
def test_where_the_tests_are_in_the_candidates_process_they_are_an_oracle(
    arena: Arena, bundled: tuple[Task, TaskImage], tmp_path: Path
) -> None:
    task, image = bundled
    folder = tmp_path / "decoys"
    shutil.copytree(task.folder / "tests", folder / "tests")
    shutil.copy(DECOY_JUDGE, folder / "tests" / "judge.py")
    main = LEAVES.format(files=planted(TASK, "hidden"))
    result = arena.run(main, task=replace(task, folder=folder), image=image)
    assert (result.outcome, result.reward) == (Outcome.PASSED, 1.0), result.detail


@pytest.mark.docker
def test_the_bundled_verifier_is_no_oracle(arena: Arena, bundled: tuple[Task, TaskImage]) -> None:
    task, image = bundled
    result = arena.run(LEAVES.format(files=planted(TASK, "hidden")), task=task, image=image)
    assert (result.outcome, result.reward) == (Outcome.FAILED, 0.0), result.detail
    result = arena.run(LEAVES.format(files=planted(TASK, "visible")), task=task, image=image)
    assert result.reward == 1.0, "the search must find this bug by the visible tests"


@pytest.mark.slow
def test_no_task_falls_to_the_attack_that_does_not_fall_to_its_visible_tests(tmp_path: Path) -> None:
    fallen: dict[str, list[str]] = {"decoys": [], "hidden": [], "hidden or visible": [], "visible": []}
    tasks = sorted(path.parent.name for path in BUGFIX.glob("*/task.toml")) if EVERY_TASK else [TASK]
    for task in tasks:
        for kind, names in fallen.items():
            if _reward(tmp_path / kind / task, task, kind):
                names.append(task)
    print(json.dumps({kind: [len(names), names] for kind, names in fallen.items()}, indent=1))
    assert fallen["hidden"] == []
    assert set(fallen["hidden or visible"]) <= set(fallen["visible"])
    assert len(fallen["decoys"]) > len(tasks) // 3


def _reward(folder: Path, task: str, kind: str) -> float:
    look = ["hidden"] if kind == "decoys" else kind.split(" or ")
    for name, text in planted(task, *look).items():
        (folder / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "app" / name).write_text(text.replace("\nSECONDS = 11.0\n", f"\nSECONDS = {SEARCH_SECONDS}\n"))
    hidden = (BUGFIX / task / "tests" / "test_hidden.py").read_text()
    if kind == "decoys":
        return decoy_verdict(folder, folder / "app", hidden, SECONDS=JUDGE_SECONDS).reward
    files = {file.name: file.read_text() for file in VERIFIER.glob("*.py")}
    return judge(folder, folder / "app", files, hidden, SECONDS=JUDGE_SECONDS).reward
