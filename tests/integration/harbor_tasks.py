"""Small tasks with Harbor's defaults, and what becomes of them in containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evolve.core.records import Limits, ModelSpec, SandboxSpec, ScaffoldSource, Split, SuiteProfile, Task, TrialSpec
from evolve.sandbox import images
from evolve.suite.task_files import load_task
from evolve.trial.solving import try_task
from evolve.trial.verdict import Judgement

DOCKERFILE = "ARG BASE=python:3.11-slim\nFROM ${BASE}\nWORKDIR /app\n"
# Passes if the command before it did.
VERDICT = "\nif [ $? = 0 ]; then echo 1 > /logs/verifier/reward.txt; else echo 0 > /logs/verifier/reward.txt; fi"
IS_OK = "grep -q ok /app/out"
NONE_LEFT = "! cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -q 'sleep 9[9]'"


@dataclass(frozen=True)
class Small:
    """A task of few lines. test: the command that must succeed; solve: the solution's; more: further files."""

    test: str = IS_OK
    solve: str = "echo ok > /app/out"
    toml: str = ""
    dockerfile: str = DOCKERFILE
    more: Mapping[str, str] = field(default_factory=dict)
    image: Mapping[str, Any] = field(default_factory=dict)

    def written(self, folder: Path) -> Path:
        files = {
            "task.toml": self.toml,
            "instruction.md": "Do it.\n",
            "environment/Dockerfile": self.dockerfile,
            "tests/test.sh": f"#!/bin/bash\n{self.test}{VERDICT}\n",
            "solution/solve.sh": f"#!/bin/bash\n{self.solve}\n",
            **self.more,
        }
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    def task(self, folder: Path) -> Task:
        return load_task(self.written(folder), Split.TRAIN, SuiteProfile.LOOSE, harbor=True, has_grader=True)

    def spec(self, folder: Path, base: str, owner: str) -> TrialSpec:
        task = self.task(folder)
        image = replace(images.task_image(task, base), **self.image)
        scaffold = ScaffoldSource(folder / "scaffold", "main.py", base)
        return TrialSpec(
            "tests", "c" * 40, task, image, scaffold, 0, 7, ModelSpec("embedded", prompt_price=0, completion_price=0),
            Limits(calls=5, seconds=30), SandboxSpec(memory_mb=128), folder / "run", owner,
        )  # fmt: skip


def solved(spec: TrialSpec) -> Judgement:
    """The judgement on what the task's solution leaves."""
    return try_task(spec, solve=True)


def with_scaffold(spec: TrialSpec, main: str) -> TrialSpec:
    """The trial of a scaffold with this `main.py`."""
    folder = spec.scaffold.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.py").write_text(main)
    for place in (folder, *list(folder.parents)[:5]):
        if place.stat().st_mode & 0o055 != 0o055 and place != Path("/"):
            place.chmod(0o755)
    return spec
