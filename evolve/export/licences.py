"""The licences of a suite's tasks, where they are known."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.runs.identity import suite_of
from evolve.runs.stored_config import stored
from evolve.store import RunRow, TaskRow
from evolve.suite.bundled import bundled_suite
from evolve.suite.task_files import task_digest
from evolve.suite.tasks import load_suite

BUNDLED = "Apache-2.0"
KEYS = ("license", "licence")


def task_licences(row: RunRow, tasks: Sequence[TaskRow], runs: Path) -> dict[str, str]:
    """The licence of each task by name, "" if it is unknown: that of the bundled suite, or of the task's metadata.

    Only files that are still those of the run count.
    """
    if stored(row, "suite_digest") == _bundled_digest():
        return {task.name: BUNDLED for task in tasks}
    try:
        folder = suite_of(row, runs)
    except BadInput:
        return {task.name: "" for task in tasks}
    return {task.name: _stated(folder / task.name, task.digest) for task in tasks}


def _bundled_digest() -> str:
    try:
        return load_suite(bundled_suite()).digest
    except BadInput:
        return ""


def _stated(folder: Path, digest: str) -> str:
    try:
        if not (folder / "task.toml").is_file() or task_digest(folder) != digest:
            return ""
        metadata = tomllib.loads((folder / "task.toml").read_text("utf-8")).get("metadata", {})
    except (OSError, ValueError):
        return ""
    found = [metadata[key] for key in KEYS if isinstance(metadata, dict) and isinstance(metadata.get(key), str)]
    return found[0] if found else ""
