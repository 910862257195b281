"""What an importer reads from disk: tasks as files in Harbor's format, and what it left out and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Protocol

from evolve.core.errors import BadInput
from evolve.core.records import Split

TASK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NAME_RULE = "a task's name has letters, digits, `.`, `-` and `_`, at most 100, and begins with a letter or digit"
MAX_PATH_CHARS = 400
MAX_FILE_BYTES = 100_000_000
MAX_TASK_BYTES = 200_000_000
MAX_TASK_FILES = 5_000
MAX_TASKS = 20_000


class Compare(StrEnum):
    """How an expected answer is compared with what the agent wrote."""

    EXACT = "exact"
    STRIPPED = "stripped"
    NUMBER = "number"


class Unsuitable(Exception):
    """This task can't be imported; the others can. The message is the reason."""


def path_problem(path: str) -> str:
    """Why a path of foreign data can't be a file inside a folder, as the end of a sentence; "" if it can."""
    if not path.isprintable() or "\\" in path:
        return "has a character that is not allowed"
    parts = path.split("/")
    if not path or len(path) > MAX_PATH_CHARS or any(len(part.encode()) > 255 for part in parts):
        return "is empty or too long"
    if PurePosixPath(path).is_absolute() or any(part in ("", ".", "..") for part in parts):
        return "leads out of the folder"
    return "is git's own" if any(part.lower() == ".git" for part in parts) else ""


@dataclass(frozen=True)
class TaskFile:
    """One file of a task. path: relative to the task's folder; content: bytes, or a file to copy."""

    path: str
    content: bytes | Path
    executable: bool = False

    def __post_init__(self) -> None:
        if problem := path_problem(self.path):
            raise Unsuitable(f"the file {ascii(self.path)[:80]} {problem}")
        if self.size > MAX_FILE_BYTES:
            raise Unsuitable(f"{self.path} has more than {MAX_FILE_BYTES // 10**6} MB")

    @classmethod
    def of_text(cls, path: str, text: str, executable: bool = False) -> TaskFile:
        return cls(path, text.encode(), executable)

    @property
    def size(self) -> int:
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)

    def read(self) -> bytes:
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content


@dataclass(frozen=True)
class ImportedTask:
    """A task in Harbor's format. origin: what the source calls it, such as a row or a folder."""

    name: str
    files: tuple[TaskFile, ...]
    origin: str

    def __post_init__(self) -> None:
        if not TASK_NAME.fullmatch(self.name):
            raise Unsuitable(f"{ascii(self.name)[:80]} is not a task's name: {NAME_RULE}")
        paths = [file.path for file in self.files]
        if len(set(paths)) < len(paths):
            raise Unsuitable("it has two files of one name")
        if len(paths) > MAX_TASK_FILES or sum(file.size for file in self.files) > MAX_TASK_BYTES:
            raise Unsuitable(f"it has more than {MAX_TASK_FILES} files, or {MAX_TASK_BYTES // 10**6} MB")


@dataclass(frozen=True)
class LeftOut:
    """What was not imported, as the source calls it, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Benchmark:
    """What an importer found. notes: lines for the user, such as which columns of a table are not used."""

    tasks: tuple[ImportedTask, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shares:
    """The relative sizes of the splits, such as 0.5, 0.25 and 0.25. Raises BadInput for sizes without sense."""

    train: float = 0.5
    validation: float = 0.25
    holdout: float = 0.25

    def __post_init__(self) -> None:
        for name, value in self.by_split.items():
            if not 0 <= value <= 1_000_000:
                raise BadInput(f"--{name}", f"{getattr(self, name):g} is not a share", "use a number such as 0.25")
        if self.train == 0:
            raise BadInput("--train", "is 0, but a suite needs train tasks", "use a share above 0")

    @property
    def by_split(self) -> dict[Split, Fraction]:
        """The sizes as exact numbers; they need not add up to 1."""
        return {split: _exact(getattr(self, split.value)) for split in Split}


def _exact(value: float) -> Fraction:
    try:
        return Fraction(str(value))
    except ValueError:  # infinite, or no number
        return Fraction(-1)


@dataclass(frozen=True)
class ImportOptions:
    """What the user can choose about the tasks.

    image: base image of tasks that bring none, "" for Evolve's; columns: the table's own names of columns, by ours;
    answer_file: where the agent writes its answer, in the working directory; compare, tolerance: of rows without them.
    """

    image: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    answer_file: str = "answer.txt"
    compare: Compare = Compare.STRIPPED
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.image and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}", self.image):
            raise BadInput("--image", f"{self.image!r} is not an image's name", "use a name such as python:3.12-slim")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", self.answer_file):
            raise BadInput("--answer-file", f"{self.answer_file!r} is not a file's name", "use one such as answer.txt")
        if not 0 <= self.tolerance < float("inf"):
            raise BadInput("--tolerance", f"{self.tolerance:g} is not possible", "use a number of 0 or more")


class Importer(Protocol):
    """Reads one kind of source. A plug-in is an entry point of the group `evolve.importers`, chosen by its name."""

    def recognises(self, source: Path) -> bool:
        """Whether the file or folder looks like this kind of source. Must be quick, and must not raise."""
        ...

    def read(self, source: Path, options: ImportOptions) -> Benchmark:
        """Read all tasks, without writing anything. Raises BadInput if the source is broken as a whole."""
        ...
