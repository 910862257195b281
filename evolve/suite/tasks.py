"""Read suites from folders in the Harbor task format. Errors name the file and the key."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evolve.core.errors import BadInput
from evolve.core.records import SandboxSpec, Split, SuiteProfile, Task
from evolve.suite.bundled import or_bundled
from evolve.suite.reward_table import RewardTable
from evolve.suite.split import split_tasks
from evolve.suite.task_files import REQUIRED_FILES as REQUIRED_FILES
from evolve.suite.task_files import TASK_FILE, load_task, parse, read_toml, task_digest

SUITE_FILE = "suite.toml"
# How many levels of groups may be above a task.
GROUP_DEPTH = 3


class _Splits(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    train: tuple[str, ...] = Field(min_length=1)
    validation: tuple[str, ...] = ()
    holdout: tuple[str, ...] = ()


class _SuiteHead(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    profile: SuiteProfile = SuiteProfile.STRICT


class _SuiteFile(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    suite: _SuiteHead = _SuiteHead()
    splits: _Splits
    reward: RewardTable | None = None


@dataclass(frozen=True)
class Suite:
    """All tasks of a suite. `digest` covers every file of every task, the splits and the profile.

    Attributes:
        harbor: Absent keys of its tasks mean what they mean in Harbor.
        refused: Tasks in its folder that can't be used; their records hold little more than the name.
        reasons: Why, by the name of the task.
    """

    folder: Path
    tasks: tuple[Task, ...]
    profile: SuiteProfile = SuiteProfile.STRICT
    harbor: bool = False
    refused: tuple[Task, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        lines = [f"{task.name} {task.split} {task.digest}" for task in self.tasks]
        if self.profile is not SuiteProfile.STRICT:
            lines.append(f"profile {self.profile}")
        if self.harbor:
            lines.append("defaults harbor")
        lines += [f"reward {task.name} {task.format.reward}" for task in self.tasks if task.format.reward]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines about keys that are not known."""
        return tuple(line for task in self.tasks for line in task.format.warnings)

    def split(self, *splits: Split) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if task.split in splits)


def load_suite(
    folder: Path, pass_env: Collection[str] | None = None, earlier: bool = False, has_grader: bool = False
) -> Suite:
    """Read a suite: a folder with a `suite.toml` and the tasks that it names, or a folder of tasks, or one task.

    `tasks/bugfix` is the bundled suite if there is no such folder here. Of a loose suite, or one without a file, tasks
    that can't be used are left out and named in `refused`.

    Args:
        pass_env: The host's variables that separate verifiers may have; None: templates are not looked at.
        earlier: Read a loose suite as versions did that gave absent keys the meaning of a strict one.
        has_grader: Whether there is a model that tests may ask.

    Raises:
        BadInput: The first error of a strict suite, or no task can be used.
    """
    folder = or_bundled(folder)
    file = folder / SUITE_FILE
    if not file.exists():
        return _load_folder(folder, pass_env, has_grader)
    values = read_toml(file)
    _refuse_misspelt(file, values)
    parsed = parse(file, values, _SuiteFile)
    splits, profile = parsed.splits, parsed.suite.profile
    names = {name: Split(split) for split in _Splits.model_fields for name in getattr(splits, split)}
    _check_unique(file, (name for split in _Splits.model_fields for name in getattr(splits, split)))
    places = {folder / name: split for name, split in names.items()}
    _check_names(file, places)
    if profile is SuiteProfile.LOOSE and not earlier:
        for place in places:
            if not place.is_dir():
                raise BadInput(str(place), "no such task", f"correct {file}")
        return _scaled(_usable(Suite(folder, (), profile, harbor=True), places, pass_env, has_grader), parsed.reward)
    tasks = tuple(load_task(place, split, profile, False, pass_env, has_grader) for place, split in places.items())
    return _scaled(Suite(folder, tasks, profile), parsed.reward)


def _refuse_misspelt(file: Path, values: Mapping[str, Any]) -> None:
    """Raise BadInput for a key that looks like one of ours; others are the user's own."""
    head = values.get("suite")
    for prefix, table, known in (
        ("", values, [*_SuiteFile.model_fields]),
        ("suite.", head, [*_SuiteHead.model_fields]),
    ):
        for key in sorted({*table} - {*known}) if isinstance(table, Mapping) else ():
            if close := get_close_matches(key, known, n=1, cutoff=0.75):
                raise BadInput(str(file), f"key `{prefix}{key}`: there is no such key", f"did you mean `{close[0]}`?")


def _scaled(suite: Suite, table: RewardTable | None) -> Suite:
    """The suite with this scale for all tasks that have none of their own."""
    if table is None:
        return suite
    formats = ((task, replace(task.format, reward=task.format.reward or table.scale)) for task in suite.tasks)
    return replace(suite, tasks=tuple(replace(task, format=format) for task, format in formats))


def _load_folder(folder: Path, pass_env: Collection[str] | None, has_grader: bool) -> Suite:
    """A folder of tasks, or one task, with a seeded split."""
    places = [folder.resolve()] if (folder / TASK_FILE).is_file() else _likely_tasks(folder)
    if not places:
        fix = f"pass a folder with a {SUITE_FILE}, such as tasks/bugfix, or a folder of tasks"
        raise BadInput(str(folder / SUITE_FILE), "no such file, and the folder holds no task", fix)
    loose = Suite(folder, (), SuiteProfile.LOOSE, harbor=True)
    suite = _usable(loose, dict.fromkeys(places, Split.TRAIN), pass_env, has_grader)
    dealt = split_tasks({task.name: task.difficulty for task in suite.tasks})
    place = {name: split for split, names in dealt.items() for name in names}
    return replace(suite, tasks=tuple(replace(task, split=place[task.name]) for task in suite.tasks))


def task_folders(folder: Path) -> list[Path]:
    """The folders of tasks in a folder, by name; if it has none, those in groups of tasks below it.

    Raises:
        BadInput: Two of them have the same name.
    """
    return _folders_with(folder, (TASK_FILE,)) or _grouped_tasks(folder)


def _likely_tasks(folder: Path) -> list[Path]:
    """As `task_folders`, with folders that have any file of a task: one that lacks others is named, not passed over."""
    return _folders_with(folder, REQUIRED_FILES) or _grouped_tasks(folder)


def _folders_with(folder: Path, names: Iterable[str]) -> list[Path]:
    return [one for one in _subfolders(folder) if any((one / name).is_file() for name in names)]


def _subfolders(folder: Path) -> list[Path]:
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    return [one for one in places if one.is_dir() and not one.name.startswith((".", "_"))]


def _grouped_tasks(folder: Path) -> list[Path]:
    """The tasks of groups, such as `CATEGORY/TASK`; links are not followed."""
    found: list[Path] = []
    groups = _subfolders(folder)
    for _ in range(GROUP_DEPTH):
        deeper = [one for group in groups for one in _subfolders(group) if not one.is_symlink()]
        found += [one for one in deeper if (one / TASK_FILE).is_file()]
        groups = [one for one in deeper if not (one / TASK_FILE).is_file()]
    _check_names(folder, found)
    return sorted(found)


def _check_names(where: Path, places: Iterable[Path]) -> None:
    """Raise BadInput if two tasks have the same name, by which results are stored."""
    seen: dict[str, Path] = {}
    for place in places:
        if (other := seen.setdefault(place.name, place)) != place:
            raise BadInput(str(where), f"two tasks are named `{place.name}`: {other} and {place}", "rename one of them")


def _usable(suite: Suite, places: Mapping[Path, Split], pass_env: Collection[str] | None, has_grader: bool) -> Suite:
    """The suite with the tasks of these folders; those that can't be used are named in it."""
    tasks, refused, reasons = [], [], {}
    for place, split in places.items():
        try:
            tasks.append(load_task(place, split, suite.profile, suite.harbor, pass_env, has_grader))
        except BadInput as error:
            refused.append(_refused(place, split))
            reasons[place.name] = str(error)
    if not tasks:
        raise BadInput(str(suite.folder), f"none of its tasks can be used: {min(reasons.values())}", "correct them")
    return replace(suite, tasks=tuple(tasks), refused=tuple(refused), reasons=reasons)


def _refused(place: Path, split: Split) -> Task:
    """The record of a task that can't be used."""
    return Task(place.name, place, split, "", "unknown", task_digest(place), None, 0.0, SandboxSpec())


def _check_unique(file: Path, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadInput(str(file), f"task `{name}` is listed twice", "list it in one split only")
        seen.add(name)
