"""What never belongs to a scaffold: suites, tasks, results of runs, Evolve's state, and copies of hidden files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from evolve.core.text import content_digest
from evolve.guard.change import printable

SUITE_FILE, DATABASE = "suite.toml", "evolve.db"
# Such a file is left out also where its folder isn't: at the scaffold's top.
FOREIGN_FILES = (SUITE_FILE, DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")
TASK_PARTS = frozenset({"tests", "solution", "steps", "environment", "instruction.md"})
RUN_PARTS = frozenset({"candidates", "trials", "proposals", "lineage.git"})
STATE_PREFIX = ".evolve"
# Files that many projects share word for word, and that give nothing away.
COMMON_NAMES = frozenset({"Dockerfile", ".dockerignore", ".gitignore", "LICENSE", "COPYING", "__init__.py"})

_RUN_NAME = re.compile(r"\d{8}-\d{4}-[a-z]+-[a-z]+")


def foreign_folder(name: str, names: Collection[str]) -> str | None:
    """What a folder is, if it is no part of a scaffold: its own name, and the names of what it holds."""
    if name.startswith(STATE_PREFIX):
        return "Evolve's state"
    if SUITE_FILE in names:
        return "a suite"
    if DATABASE in names or (_RUN_NAME.fullmatch(name) and not RUN_PARTS.isdisjoint(names)):
        return "results of runs"
    return "a task" if "task.toml" in names and not TASK_PARTS.isdisjoint(names) else None


def foreign_path(path: str, paths: Iterable[str]) -> str | None:
    """What a file of a scaffold is, if it doesn't belong there, judged by the paths of all files alone."""
    names = names_by_folder([path, *paths])
    for folder in _folders(path):
        if reason := foreign_folder(_name(folder), names[folder]):
            return reason
    return foreign_file(path)


def foreign_file(path: str) -> str | None:
    """What a single file is, if it is no part of a scaffold, by its path relative to the scaffold."""
    name = _name(path)
    if name in FOREIGN_FILES:
        return "a suite" if name == SUITE_FILE else "results of runs"
    return "Evolve's state" if name.startswith(STATE_PREFIX) else None


def names_by_folder(paths: Iterable[str]) -> dict[str, set[str]]:
    """The names of what each folder below the top holds, of the folders on the way to these files."""
    names: dict[str, set[str]] = {}
    for path in paths:
        for folder in _folders(path):
            names.setdefault(folder, set()).add(path[len(folder) + 1 :].partition("/")[0])
    return names


def _folders(path: str) -> list[str]:
    """The folders that a file is in, the outermost first, without the top."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


@dataclass(frozen=True, eq=False)
class HiddenFiles:
    """The files of a suite that no scaffold may see. `digests`: what each of them is, by its digest.

    Equal only to itself, so that it can be the key of a cache.
    """

    digests: Mapping[str, str] = field(default_factory=dict)

    def copied(self, content: str | bytes) -> str | None:
        """The hidden file with this content, such as `t1/tests/test_hidden.py`; None if there is none."""
        digest = content_digest(content)
        return self.digests.get(digest) if digest else None


def hidden_files(hidden: Iterable[tuple[str, bytes]], shown: Iterable[bytes]) -> HiddenFiles:
    """Make the value from the hidden files, by path, without the contents that a task shows to the agent anyway."""
    known = {content_digest(content) for content in shown}
    named = ((path, content_digest(data)) for path, data in hidden if _name(path) not in COMMON_NAMES)
    return HiddenFiles({digest: path for path, digest in named if digest and digest not in known})


def copy_problem(files: Mapping[str, str], paths: Iterable[str], hidden: HiddenFiles) -> str | None:
    """Why a patch that writes these of the files brings in a hidden file; None if it doesn't. Names no task."""
    copies = (path for path in paths if path in files and hidden.copied(files[path]))
    found = next(copies, None)
    return f"leak: {printable(found)} is a copy of a hidden file of a task; remove it" if found else None
