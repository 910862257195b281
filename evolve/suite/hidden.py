"""The files of a suite's tasks that no scaffold may hold, under whatever name."""

from __future__ import annotations

from collections.abc import Iterable

from evolve.core.records import Task
from evolve.guard.excluded import HiddenFiles, hidden_files
from evolve.suite.walking import names_below

# Inside a task, what its agent sees: the files from which the image is built.
SHOWN = "environment"
# The table of a task is neither hidden nor a secret.
OPEN_FILES = ("task.toml",)


def hidden_of(tasks: Iterable[Task]) -> HiddenFiles:
    """Tests, solutions, generators and instructions of all tasks, of any split, except what their agents see anyway."""
    found = [(task, name) for task in tasks for name in names_below(task.folder)]
    paths = ((f"{task.name}/{name}", task.folder / name) for task, name in found)
    named = [(name, path) for name, path in paths if path.is_file()]
    hidden = ((name, path.read_bytes()) for name, path in named if not is_shown(name) and path.name not in OPEN_FILES)
    return hidden_files(hidden, (path.read_bytes() for name, path in named if is_shown(name)))


def is_shown(name: str) -> bool:
    """Whether an agent sees a file: that of an image, or of a step's working directory."""
    parts = name.split("/")[1:]
    return parts[0] == SHOWN or (parts[0] == "steps" and parts[2:3] == ["workdir"])
