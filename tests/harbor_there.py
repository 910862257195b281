"""What Harbor's oracle earns on tasks, on a machine that can pull no images."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

DRIVER = Path(__file__).parent / "harbor_oracle.py"
# What Harbor can't do here: it enforces networks by an image from a registry, and knows no base image of Evolve's.
THERE = {
    r'"(no-network|allowlist)"': '"public"', r"allowed_hosts = .*": "", "allow_internet = false": "",
    "python:3.11-slim": "evolve/base:python3",
}  # fmt: skip
CHANGED = ("task.toml", "Dockerfile")


def rewards_there(python: str, folder: Path, tasks: Sequence[Path]) -> dict[str, float | None]:
    """The reward of each task's reference solution in Harbor, by the name of its folder; None if there is none.

    Args:
        python: The Python of an environment with Harbor.
        folder: An empty one, for copies of the tasks and the job's files.
    """
    copies = [_copied(task, folder / "tasks" / task.name) for task in tasks]
    (folder / "job").mkdir()
    command = [python, str(DRIVER), str(folder / "job"), *map(str, copies)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    shutil.rmtree(folder / "job", ignore_errors=True)
    return {name: value if isinstance(value, float) else None for name, value in found.items()}


def _copied(task: Path, folder: Path) -> Path:
    shutil.copytree(task, folder, symlinks=True)
    for file in (file for file in folder.rglob("*") if file.name in CHANGED):
        text = file.read_text()
        for before, after in THERE.items():
            text = re.sub(before, after, text)
        file.write_text(text)
    return folder
