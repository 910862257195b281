"""Published tasks that are imported, and checked in containers: the folder of `EVOLVE_IMPORTS` brings the sources.

Each folder or JSONL file in it is one. Rows of SWE-bench get images from copies of their repositories, in its
`repositories`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.loop.watcher import SilentWatcher
from evolve.project.importers.importing import Request, import_suite
from evolve.runs.check_tasks import check_suite
from evolve.suite.tasks import Suite, load_suite
from tests.imported import table
from tests.stand_ins import bases, build_stand_in, stand_ins, swe_bench, without_published_images

pytestmark = pytest.mark.docker
SAMPLES = os.environ.get("EVOLVE_IMPORTS", "")
LIMIT = int(os.environ.get("EVOLVE_IMPORTS_LIMIT", "12"))
REPOSITORIES = "repositories"
ROWS = (
    {"id": "sum", "instruction": "What is 2 + 2?", "answer": 4, "compare": "number"},
    {"id": "pi", "instruction": "Pi, to two digits.", "answer": "3.14", "compare": "number", "tolerance": 0.01},
    {"id": "reverse", "instruction": "Reverse.", "answer": "cba", "files": {"word.txt": "abc"}, "difficulty": "easy"},
    {"id": "exact", "instruction": "Say it.", "answer": " a\n", "compare": "exact"},
    {"id": "lines", "instruction": "Two lines.", "check": '[ "$(wc -l <out)" = 2 ]', "solution": "seq 2 >out"},
    {"id": "sorted", "instruction": "Sort words.", "check": "sort -c words && cmp -s words /tests/wanted",
     "files": {"words": "b\na\n"}, "test_files": {"wanted": "a\nb\n"}, "solution": "sort -o words words"},
)  # fmt: skip


def sources(folder: Path) -> Iterator[Path]:
    """The sources of a folder, in order."""
    found = (place for place in sorted(folder.iterdir()) if place.name != REPOSITORIES)
    return (place for place in found if place.is_dir() or place.suffix == ".jsonl")


def is_of_swe_bench(source: Path) -> bool:
    return source.suffix == ".jsonl" and "FAIL_TO_PASS" in json.loads(source.open().readline())


@contextlib.contextmanager
def imported(source: Path, folder: Path) -> Iterator[tuple[Suite, dict[str, str]]]:
    """The suite of a source, whose images can be built here, and why each other task was left out."""
    report = import_suite(Request(source, folder / "suite", limit=LIMIT))
    left_out = {one.name: one.reason for one in report.left_out}
    without_published_images(folder / "suite")
    with contextlib.ExitStack() as stack:
        if is_of_swe_bench(source):
            left_out = swe_bench.build_images(source, source.parent / REPOSITORIES, folder) | left_out
            stack.callback(swe_bench.remove_images, source)
        stack.enter_context(stand_ins(swe_bench.IMAGE, bases(folder / "suite")))
        suite = load_suite(folder / "suite")
        yield replace(suite, tasks=tuple(task for task in suite.tasks if task.name not in left_out)), left_out


def checked(source: Path, folder: Path) -> tuple[int, int]:
    """Import and check the tasks of a source; print what was found. How many are sound, and how many were checked."""
    folder.mkdir()
    with imported(source, folder) as (suite, left_out):
        findings = check_suite(suite, 2, SilentWatcher())
        sound = [found.task for found in findings if found.verdict == "sound"]
        print(f"\n{source.name}: {len(sound)} of {len(findings)} checked tasks are sound, {len(left_out)} left out")
        for found in findings:
            print(f"  {found.task}: {found.verdict}{f' {found.output[-300:]!r}' if found.output else ''}")
        for name, reason in left_out.items():
            print(f"  {name} left out: {reason}", flush=True)
    return len(sound), len(findings)


@pytest.mark.skipif(not SAMPLES, reason="EVOLVE_IMPORTS names no folder of published tasks")
def test_at_least_twenty_imported_tasks_are_sound_in_containers(tmp_path: Path, base: str) -> None:
    build_stand_in(tmp_path / "image")
    (tmp_path / "own").mkdir()
    every = [table(tmp_path / "own", *ROWS), *sources(Path(SAMPLES))]
    counts = [checked(source, tmp_path / f"source-{number}") for number, source in enumerate(every)]
    sound, tried = (sum(count) for count in zip(*counts, strict=True))
    print(f"\n{sound} of {tried} imported tasks are sound, of {len(every)} sources")
    assert sound >= 20
