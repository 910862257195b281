"""Imported tasks in containers: of each source that needs no image from a registry, the solution earns 1."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from docker.errors import APIError

from evolve.core.records import Task
from evolve.loop.watcher import SilentWatcher
from evolve.runs import check_tasks
from evolve.sandbox import engine, images
from evolve.suite.tasks import Suite, load_suite
from tests.imported import QUIXBUGS, YAML_TASK, import_from, put, table

pytestmark = pytest.mark.docker

ROWS = (
    {"id": "sum", "instruction": "What is 2 + 2?", "answer": 4, "compare": "number"},
    {"id": "reverse", "instruction": "Reverse.", "answer": "cba", "files": {"word.txt": "abc"}, "difficulty": "easy"},
    {"id": "lines", "instruction": "Two lines.", "check": '[ "$(wc -l <out)" = 2 ]', "solution": "seq 2 >out"},
)
# The published image is not at hand; the tests need no pytest.
FIRST_GENERATION = YAML_TASK | {
    "Dockerfile": "ARG BASE=python:3.11-slim\nFROM ${BASE}\nWORKDIR /app\nCOPY data ./\n",
    "run-tests.sh": (
        "#!/bin/bash\necho '=== short test summary info ==='\n"
        '[ "$(cat /app/answer)" = 42 ] && [ "$TEST_DIR" = /tests ] && echo "PASSED test_it" || echo "FAILED test_it"\n'
    ),
}


def imported_tasks(folder: Path) -> tuple[Task, ...]:
    sources = (
        put(folder / "a/QuixBugs", QUIXBUGS),
        table(put(folder / "b", {"x": ""}), *ROWS),
        put(folder / "c/tasks/answer", FIRST_GENERATION).parent,
    )
    for source in sources:
        import_from(source)
    return tuple(task for source in sources for task in load_suite(source.parent / "suite").tasks)


def test_solutions_of_imported_tasks_earn_1_and_doing_nothing_0(tmp_path: Path, base: str) -> None:
    tasks = imported_tasks(tmp_path)
    suite = Suite(tmp_path, tasks, tasks[0].profile)
    try:
        findings = check_tasks.check_suite(suite, 2, SilentWatcher())
        assert {finding.task: finding.verdict for finding in findings} == dict.fromkeys(
            ("halve", "last", "sum", "reverse", "lines", "answer"), "sound"
        )
    finally:
        for task in tasks:
            with contextlib.suppress(APIError):
                engine.connect().api.remove_image(images.task_tag(task.digest, images.image_id(base)))
