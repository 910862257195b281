"""Read suites and tasks from folders in the Harbor task format. Errors name the file and the key."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evolve.core.config import TASK_SECONDS
from evolve.core.errors import BadInput
from evolve.core.records import SandboxSpec, Split, SuiteProfile, Task, VerifierMode
from evolve.core.reward_scale import RewardScale
from evolve.core.task_format import TaskFormat
from evolve.suite.bundled import or_bundled
from evolve.suite.instances import GENERATOR
from evolve.suite.reward_table import RewardTable

Model = TypeVar("Model", bound=BaseModel)
SUITE_FILE = "suite.toml"
REQUIRED_FILES = ("task.toml", "instruction.md", "environment/Dockerfile", "tests/test.sh", "solution/solve.sh")


class _Section(BaseModel):
    """A table of the format; keys that Evolve doesn't use are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _megabytes(key: str, size: object) -> int:
    """Convert a size such as `2G`, `512M` or `1048576K` to MB; the unit is required."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT])(?:i?B)?", str(size), flags=re.IGNORECASE)
    if match is None:
        raise ValueError(f"{key} must be a size such as '2G' or '512M'")
    return int(float(match[1]) * 1024.0 ** ("KMGT".index(match[2].upper()) - 1))


class _Environment(_Section):
    cpus: float = Field(1.0, gt=0)
    memory_mb: int = Field(512, ge=32)
    storage_mb: int = Field(128, ge=8)
    network_mode: str = "no-network"

    @model_validator(mode="before")
    @classmethod
    def _accept_older_keys(cls, values: Any) -> Any:
        """Accept `memory = "2G"`, `storage` and `allow_internet`; the newer keys take precedence."""
        if not isinstance(values, dict):
            return values
        older: dict[str, object] = {
            f"{key}_mb": _megabytes(key, values[key]) for key in ("memory", "storage") if key in values
        }
        if "allow_internet" in values:
            older["network_mode"] = "public" if values["allow_internet"] is True else "no-network"
        return older | values


class _Agent(_Section):
    timeout_sec: float = Field(TASK_SECONDS, gt=0)


class _Verifier(_Section):
    timeout_sec: float = Field(600.0, gt=0)
    environment_mode: Literal["separate", "shared", "live"] = "separate"

    @property
    def mode(self) -> VerifierMode:
        return VerifierMode.ISOLATED if self.environment_mode == "separate" else VerifierMode.LIVE


class _OwnMetadata(_Section):
    reward: RewardTable | None = None


class _Metadata(_Section):
    difficulty: str = "unknown"
    evolve: _OwnMetadata = _OwnMetadata()


class _TaskFile(_Section):
    environment: _Environment = _Environment()
    agent: _Agent = _Agent()
    verifier: _Verifier = _Verifier()
    metadata: _Metadata = _Metadata()


class _Splits(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    train: tuple[str, ...] = Field(min_length=1)
    validation: tuple[str, ...] = ()
    holdout: tuple[str, ...] = ()


class _SuiteHead(_Section):
    profile: SuiteProfile = SuiteProfile.STRICT


class _SuiteFile(_Section):
    suite: _SuiteHead = _SuiteHead()
    splits: _Splits
    reward: RewardTable = Field(default_factory=RewardTable)


@dataclass(frozen=True)
class Suite:
    """All tasks of a suite. `digest` covers every file of every task, the splits and the profile."""

    folder: Path
    tasks: tuple[Task, ...]
    profile: SuiteProfile = SuiteProfile.STRICT

    @property
    def digest(self) -> str:
        lines = [f"{task.name} {task.split} {task.digest}" for task in self.tasks]
        if self.profile is not SuiteProfile.STRICT:
            lines.append(f"profile {self.profile}")
        lines += [f"reward {t.name} {t.format.reward}" for t in self.tasks if t.format.reward != RewardScale()]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

    def split(self, *splits: Split) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if task.split in splits)


def load_suite(folder: Path) -> Suite:
    """Read `folder/suite.toml` and every task that it names. Raises BadInput for the first error.

    `tasks/bugfix` is the bundled suite if there is no such folder here.
    """
    folder = or_bundled(folder)
    file = folder / SUITE_FILE
    if not file.is_file():
        raise BadInput(str(file), "no such file", "pass a folder with a suite.toml, such as tasks/bugfix")
    parsed = _parse(file, _SuiteFile)
    splits, profile = parsed.splits, parsed.suite.profile
    tasks: list[Task] = []
    for split, names in ((Split(name), getattr(splits, name)) for name in _Splits.model_fields):
        tasks += [load_task(folder / name, split, profile, parsed.reward.scale) for name in names]
    _check_unique(file, [task.name for task in tasks])
    return Suite(folder, tuple(tasks), profile)


def load_task(
    folder: Path,
    split: Split,
    profile: SuiteProfile = SuiteProfile.STRICT,
    reward: RewardScale | None = None,
) -> Task:
    """Read one task's folder; `reward`: its scale unless it has its own. Raises BadInput for a file and its key."""
    for name in REQUIRED_FILES:
        if not (folder / name).is_file():
            raise BadInput(str(folder / name), "required file is missing", "add it, or remove the task from the suite")
    spec = _parse(folder / "task.toml", _TaskFile)
    environment, loose = spec.environment, profile is SuiteProfile.LOOSE
    sandbox = SandboxSpec(
        cpus=environment.cpus,
        memory_mb=environment.memory_mb,
        disk_mb=environment.storage_mb if loose else min(environment.storage_mb, environment.memory_mb),
        network=environment.network_mode == "public",
    )
    return Task(
        name=folder.name,
        folder=folder,
        split=split,
        instruction=_read_text(folder / "instruction.md"),
        difficulty=spec.metadata.difficulty,
        digest=task_digest(folder),
        agent_seconds=spec.agent.timeout_sec,
        verifier_seconds=spec.verifier.timeout_sec,
        sandbox=sandbox,
        profile=profile,
        verifier=spec.verifier.mode,
        generates=_has_generator(folder),
        format=TaskFormat(reward=_scale(spec, reward)),
    )


def _scale(spec: _TaskFile, of_suite: RewardScale | None) -> RewardScale:
    own = spec.metadata.evolve.reward
    return own.scale if own else of_suite or RewardScale()


def _has_generator(folder: Path) -> bool:
    file = folder / GENERATOR
    if file.is_file() and not file.stat().st_mode & 0o100:
        raise BadInput(str(file), "is not executable", "set its mode with chmod +x")
    return file.is_file()


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(str(file), f"is not UTF-8 text: {error.reason}", "save it as UTF-8") from error


def _parse(file: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(str(file), f"is not valid TOML: {error}", "correct the file") from error
    except ValidationError as error:
        first: Any = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(str(file), f"key `{key}`: {first['msg']}", "correct its value") from error


def _check_unique(file: Path, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadInput(str(file), f"task `{name}` is listed twice", "list it in one split only")
        seen.add(name)


def task_digest(folder: Path) -> str:
    """The sha256 over the names, executable bits and contents of all files of a task."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        mode = "x" if path.stat().st_mode & 0o100 else "-"
        total.update(f"{path.relative_to(folder).as_posix()} {mode}\n".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
