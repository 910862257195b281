"""The files of a suite's tasks that no scaffold may hold, under whatever name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from evolve.core.records import Task
from evolve.guard.excluded import HiddenFiles, hidden_files

# Inside a task, what its agent sees: the files from which the image is built.
SHOWN = "environment"
# The table of a task is neither hidden nor a secret.
OPEN_FILES = ("task.toml",)


def hidden_of(tasks: Iterable[Task]) -> HiddenFiles:
    """Tests, solutions, generators and instructions of all tasks, of any split, except what their agents see anyway."""
    tasks = list(tasks)
    hidden = ((f"{task.name}/{path.as_posix()}", (task.folder / path).read_bytes()) for task, path in _files(tasks))
    shown = (path.read_bytes() for task in tasks for path in sorted((task.folder / SHOWN).rglob("*")) if path.is_file())
    return hidden_files(hidden, shown)


def _files(tasks: Iterable[Task]) -> Iterator[tuple[Task, Path]]:
    for task in tasks:
        for path in sorted(task.folder.rglob("*")):
            relative = path.relative_to(task.folder)
            if path.is_file() and relative.parts[0] != SHOWN and relative.as_posix() not in OPEN_FILES:
                yield task, relative
