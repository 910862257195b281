"""The command that lists a suite's tasks."""

from __future__ import annotations

import sys
from pathlib import Path

from evolve.core.escaping import plain
from evolve.core.records import Split
from evolve.report.tables import show
from evolve.suite.tasks import load_suite


def list_tasks(suite: Path, as_json: bool) -> None:
    """The tasks with their splits and difficulty, how many each split has, and what is left out."""
    loaded = load_suite(suite)
    show([{"task": t.name, "split": str(t.split), "difficulty": t.difficulty} for t in loaded.tasks], as_json)
    if not as_json:
        counts = ", ".join(f"{len(loaded.split(split))} {split}" for split in Split)
        print(plain(f"{len(loaded.tasks)} tasks in {loaded.folder}: {counts}"))
    for line in (*(f"{name} is left out: {reason}" for name, reason in loaded.reasons.items()), *loaded.warnings):
        print(plain(line), file=sys.stderr)
