"""Where attacks are tried: the tiny task, its image, and trials under a label of this process."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.records import (
    Limits,
    ModelSpec,
    SandboxSpec,
    ScaffoldSource,
    Split,
    Task,
    TaskImage,
    TrialResult,
    TrialSpec,
)
from evolve.sandbox import engine, images
from evolve.suite.tasks import load_task
from evolve.trial.run import run_trial
from tests.built import building

HERE = Path(__file__).parent
VERIFIER = HERE.parents[1] / "tasks" / "bugfix" / "_verifier"
OWNER = f"evolve-adversarial-{os.getpid()}"
collect_ignore = ["tiny"]
PYTEST = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")


@pytest.fixture(scope="session")
def base(task_images: str) -> str:
    return task_images


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """The task of this folder, with the bundled verifier, and with pytest for verifiers that use it."""
    folder = tmp_path_factory.mktemp("tasks") / "tiny"
    shutil.copytree(HERE / "tiny", folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in VERIFIER.iterdir():
        if file.is_file():
            shutil.copy(file, folder / "tests" / file.name)
    for name in PYTEST:
        found = importlib.util.find_spec(name)
        assert found is not None and found.origin is not None
        site, origin = folder / "environment" / "site", Path(found.origin)
        if origin.name == "__init__.py":
            shutil.copytree(origin.parent, site / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(origin, site / origin.name)
    return load_task(folder, Split.TRAIN)


@pytest.fixture(scope="session")
def image(tiny: Task, base: str) -> TaskImage:
    with building():
        return images.task_image(tiny, base)


class Arena:
    """Runs trials of hostile scaffolds through the real path; a weakening is a context manager around one."""

    def __init__(self, folder: Path, task: Task, image: TaskImage, base: str) -> None:
        self.folder, self.task, self.image, self.base = folder, task, image, base
        self._count = 0

    def spec(self, main: str, **changes: Any) -> TrialSpec:
        """A trial of a scaffold with this `main.py`, in folders of its own."""
        self._count += 1
        scaffold = self.folder / f"scaffold-{self._count}"
        scaffold.mkdir()
        (scaffold / "main.py").write_text(main)
        spec = TrialSpec(
            run="tests",
            candidate="c" * 40,
            task=self.task,
            image=self.image,
            scaffold=ScaffoldSource(scaffold, "main.py", self.base),
            attempt=self._count,
            seed=7,
            model=ModelSpec("embedded", prompt_price=0, completion_price=0),
            limits=Limits(calls=5, seconds=30),
            sandbox=SandboxSpec(memory_mb=128, pids=64, disk_mb=32),
            folder=self.folder / "run",
            owner=OWNER,
        )
        return replace(spec, **changes)

    def run(self, main: str, weakening: AbstractContextManager[object] | None = None, **changes: Any) -> TrialResult:
        with weakening or nullcontext():
            return run_trial(self.spec(main, **changes))

    def judged_by(self, **files: str) -> Task:
        """The task with other files in its tests folder: `test_sh` is test.sh, `judge_py` judge.py."""
        self._count += 1
        folder = self.folder / f"task-{self._count}"
        shutil.copytree(self.task.folder / "tests", folder / "tests")
        for name, text in files.items():
            file = folder / "tests" / name.replace("_", ".")
            file.write_text(text)
            file.chmod(0o755)
        return replace(self.task, folder=folder)


@pytest.fixture
def arena(tmp_path: Path, tiny: Task, image: TaskImage, base: str) -> Iterator[Arena]:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    yield Arena(tmp_path, tiny, image, base)
    assert engine.sweep(OWNER) == 0
