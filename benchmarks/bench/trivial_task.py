"""A task that one command solves, and a scaffold that runs it: nearly all of a trial's time is overhead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evolve.core.records import Limits, ModelSpec, SandboxSpec, ScaffoldSource, Task, TaskImage, TrialSpec
from evolve.sandbox import engine, images
from evolve.suite.tasks import load_suite

NAME = "answer"
COMMAND = "echo 42 > answer.txt"
SCAFFOLD = f"import evolve_door as door\ndoor.run({COMMAND!r})\n"
TASK_TOML = """schema_version = "1.4"
[task]
name = "benchmarks/answer"
description = "Write a number."
[metadata]
difficulty = "easy"
[environment]
cpus = 1
memory_mb = 256
network_mode = "no-network"
[agent]
timeout_sec = 120
[verifier]
timeout_sec = 60
"""
TEST = """#!/bin/sh
if [ "$(cat answer.txt)" = 42 ]; then echo 1; else echo 0; fi > /logs/verifier/reward.txt
"""


@dataclass(frozen=True)
class Setup:
    """Everything that trials of the trivial task need. owner: the label of their containers."""

    folder: Path
    task: Task
    image: TaskImage
    base: str
    owner: str

    def spec(self, attempt: int, main: str = SCAFFOLD) -> TrialSpec:
        """A trial of a scaffold whose only file is `main`."""
        scaffold = self.folder / f"scaffold-{abs(hash(main))}"
        scaffold.mkdir(exist_ok=True)
        (scaffold / "main.py").write_text(main)
        return TrialSpec(
            run=self.owner,
            candidate="b" * 40,
            task=self.task,
            image=self.image,
            scaffold=ScaffoldSource(scaffold, "main.py", self.base),
            attempt=attempt,
            seed=attempt,
            model=ModelSpec("embedded", prompt_price=0, completion_price=0),
            limits=Limits(seconds=60),
            sandbox=SandboxSpec(),
            folder=self.folder / "run",
            owner=self.owner,
        )


def write_suite(folder: Path) -> None:
    """Write the suite with its single task."""
    files = {
        "suite.toml": f'[splits]\ntrain = ["{NAME}"]\n',
        f"{NAME}/task.toml": TASK_TOML,
        f"{NAME}/instruction.md": "Write 42 into answer.txt.\n",
        f"{NAME}/environment/Dockerfile": "ARG BASE=python:3.11-slim\nFROM ${BASE}\nWORKDIR /app\n",
        f"{NAME}/tests/test.sh": TEST,
        f"{NAME}/solution/solve.sh": f"#!/bin/sh\n{COMMAND}\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if name.endswith(".sh") else 0o644)


def set_up(folder: Path, owner: str) -> Setup:
    """Write the suite and build its image unless it exists; `folder` must be readable by other users."""
    write_suite(folder / "suite")
    engine.bring_up(print)
    base = images.base_image(print)
    task = load_suite(folder / "suite").tasks[0]
    return Setup(folder, task, images.task_image(task, base), base, owner)
