"""A small suite, its images, and a campaign's pieces, built once for all tests in containers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.core.records import Limits, ModelSpec, SandboxSpec, ScaffoldSource, Task, TaskImage, TrialSpec
from evolve.sandbox import engine, images
from evolve.suite.tasks import Suite, load_suite

OWNER = f"evolve-tests-{os.getpid()}"
ROOT = Path(__file__).parents[2]
TASKS = ("vending-machine", "lru-cache")


@pytest.fixture(scope="session")
def suite_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bundled tasks as a suite of their own."""
    folder = tmp_path_factory.mktemp("suite")
    for name in TASKS:
        (folder / name).symlink_to(ROOT / "tasks" / "bugfix" / name)
    (folder / "suite.toml").write_text(f'[splits]\ntrain = ["{TASKS[0]}"]\nvalidation = ["{TASKS[1]}"]\n')
    return folder


@pytest.fixture(scope="session")
def suite(suite_folder: Path) -> Suite:
    return load_suite(suite_folder)


@pytest.fixture(scope="session")
def base(task_images: str) -> str:
    return task_images


@pytest.fixture(scope="session")
def built(suite: Suite, base: str) -> dict[str, TaskImage]:
    made, failures = images.build_all(suite.tasks, base, 2, print)
    assert not failures
    return made


@pytest.fixture
def task(suite: Suite) -> Task:
    return suite.tasks[0]


@pytest.fixture
def swept() -> Iterator[str]:
    """The label of a test's containers; afterwards nothing may be left."""
    yield OWNER
    assert engine.sweep(OWNER) == 0


class Trials:
    """Makes descriptions of trials of scaffolds that a test writes down."""

    def __init__(self, folder: Path, task: Task, image: TaskImage, base: str) -> None:
        self.folder, self.task, self.image, self.base = folder, task, image, base

    def spec(self, main: str, limits: Limits | None = None, model: ModelSpec | None = None) -> TrialSpec:
        scaffold = self.folder / "scaffold"
        scaffold.mkdir(exist_ok=True)
        (scaffold / "main.py").write_text(main)
        self.folder.chmod(0o755)
        return TrialSpec(
            run="tests",
            candidate="c" * 40,
            task=self.task,
            image=self.image,
            scaffold=ScaffoldSource(scaffold, "main.py", self.base),
            attempt=0,
            seed=7,
            model=model or ModelSpec("embedded", prompt_price=0, completion_price=0),
            limits=limits or Limits(calls=5, seconds=30),
            sandbox=SandboxSpec(memory_mb=128),
            folder=self.folder / "run",
            owner=OWNER,
        )


@pytest.fixture
def trials(tmp_path: Path, task: Task, built: dict[str, TaskImage], base: str, swept: str) -> Trials:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return Trials(tmp_path, task, built[task.name], base)


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout
