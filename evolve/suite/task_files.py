"""One task's folder: the files that it needs, and the record that they make."""

from __future__ import annotations

import hashlib
import os
import stat
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from evolve.core.errors import BadInput
from evolve.core.invalid import first_fault
from evolve.core.model_access import as_asking
from evolve.core.records import Split, SuiteProfile, Task
from evolve.core.task_format import Environment, NetworkMode, TaskFormat, VerifierPhase, image_source
from evolve.suite.instances import GENERATOR
from evolve.suite.instructions import read_instruction, read_text
from evolve.suite.keys import refuse_keys, unknown_keys
from evolve.suite.reading import DOCKERFILE, INSTRUCTION, TEST_SCRIPT, Reader
from evolve.suite.refusals import (
    CONTEXT,
    refuse_artifacts,
    refuse_compose,
    refuse_files,
    refuse_headers,
    refuse_links,
    refuse_modes,
    refuse_networks,
    refuse_services,
    refuse_strict,
)
from evolve.suite.schema import TaskTable
from evolve.suite.templates import emptied_names, leave_empty, passed_names, settle_defaults
from evolve.suite.variables import refuse_questions, refuse_templates, solution_lacks
from evolve.suite.walking import names_below

Model = TypeVar("Model", bound=BaseModel)
TASK_FILE = "task.toml"
REQUIRED_FILES = (TASK_FILE, INSTRUCTION, f"{CONTEXT}/{DOCKERFILE}", f"tests/{TEST_SCRIPT}")


def load_task(
    folder: Path,
    split: Split,
    profile: SuiteProfile = SuiteProfile.STRICT,
    harbor: bool = False,
    pass_env: Collection[str] | None = None,
    has_grader: bool = False,
) -> Task:
    """Read one task's folder. Raises BadInput, which names the file and the key.

    Args:
        harbor: An absent key means what it means in Harbor; otherwise what it means in a strict suite.
        pass_env: The host's variables that separate verifiers may have, and as `NAME=` those that stay empty; None:
            templates are not looked at.
        has_grader: Whether the run has a model that tests may ask.
    """
    file = _required(folder, TASK_FILE)
    values = read_toml(file)
    refuse_keys(str(file), values)
    table = parse(file, values, TaskTable)
    refuse_links(folder)
    refuse_files(folder)
    emptied = emptied_names(pass_env or ())
    reader = Reader(folder, table, harbor, profile, _step_instructions(folder, table), emptied)
    wanted = reader.format(f"{file}: {line}" for line in unknown_keys(values))
    wanted = leave_empty(wanted, emptied)
    wanted = as_asking(wanted) if has_grader else wanted
    refuse_compose(folder, wanted)
    _check_environment(folder, wanted.environment)
    _check_tests(folder, wanted)
    if profile is SuiteProfile.STRICT:
        refuse_strict(str(file), wanted, _explicit(values))
    refuse_services(str(file), wanted)
    refuse_headers(str(file), wanted)
    refuse_networks(str(file), wanted)
    refuse_modes(str(file), wanted)
    refuse_artifacts(str(file), wanted)
    if pass_env is not None:
        wanted = _with_variables(str(file), wanted, profile, passed_names(pass_env), has_grader)
    return _task(folder, split, profile, table, wanted)


def _with_variables(
    where: str, wanted: TaskFormat, profile: SuiteProfile, passed: Collection[str], has_grader: bool
) -> TaskFormat:
    """The format with templates only of what a run may have. Raises BadInput for others."""
    answered = refuse_questions(where, wanted, profile, passed, has_grader)
    refuse_templates(where, wanted, profile, passed, answered=answered)
    lacking = solution_lacks(where, wanted, passed)
    wanted = settle_defaults(wanted, passed, answered)
    return replace(wanted, solved=False, unsolved=lacking) if lacking else wanted


def _task(folder: Path, split: Split, profile: SuiteProfile, table: TaskTable, wanted: TaskFormat) -> Task:
    network = (wanted.agent.network or wanted.environment.network).mode is NetworkMode.PUBLIC
    sizes = wanted.environment.sandbox
    return Task(
        name=folder.name,
        folder=folder,
        split=split,
        instruction=_instruction(folder, wanted),
        difficulty=table.metadata.difficulty,
        digest=task_digest(folder),
        agent_seconds=_agent_seconds(wanted),
        verifier_seconds=wanted.verifier.seconds,
        sandbox=replace(sizes, network=network),
        profile=profile,
        verifier=wanted.verifier.mode,
        generates=_has_generator(folder, wanted),
        format=wanted,
        tags=_tags(table),
    )


def _tags(table: TaskTable) -> tuple[str, ...]:
    """The task's keywords, its category and the tags of its metadata; each once, in order."""
    keywords = table.task.keywords if table.task else ()
    words = (*keywords, table.metadata.category, *table.metadata.tags)
    return tuple(dict.fromkeys(word for word in words if word))


def _agent_seconds(wanted: TaskFormat) -> float | None:
    """The agent's time, of the longest step; None if nothing limits it."""
    times = [step.agent.seconds for step in wanted.steps] or [wanted.agent.seconds]
    limited = [seconds for seconds in times if seconds is not None]
    return max(limited) if len(limited) == len(times) else None


def _required(folder: Path, name: str) -> Path:
    file = folder / name
    if not file.is_file():
        raise BadInput(str(file), "required file is missing", "add it, or remove the task from the suite")
    return file


def _step_instructions(folder: Path, table: TaskTable) -> dict[str, str]:
    """The instructions of the steps by name; a task without steps has its own."""
    if not table.steps:
        _required(folder, INSTRUCTION)
    return {
        step.name: read_instruction(_required(folder, f"steps/{step.name}/{INSTRUCTION}")) for step in table.steps or ()
    }


def _instruction(folder: Path, wanted: TaskFormat) -> str:
    """The agent's instruction."""
    return wanted.steps[0].instruction if wanted.steps else read_instruction(folder / INSTRUCTION)


def _check_environment(folder: Path, environment: Environment) -> None:
    """Raise BadInput unless there is what each image of an environment is built from."""
    if not environment.docker_image:
        _required(folder, image_source(environment))
    composition = environment.composition
    for build in (one.build for one in composition.services if one.build) if composition else ():
        _required(folder, f"{build.context}/{build.dockerfile}")


def _check_tests(folder: Path, wanted: TaskFormat) -> None:
    """Raise BadInput unless each verifier finds its tests, in a folder or in its own image."""
    phases: list[tuple[VerifierPhase, tuple[str, ...]]] = [(step.verifier, step.tests) for step in wanted.steps]
    for phase, folders in phases or [(wanted.verifier, ("tests",))]:
        brings = phase.environment is not None and phase.environment.holds_tests
        if not brings and not any((folder / place / TEST_SCRIPT).is_file() for place in folders):
            _required(folder, f"{folders[-1] if folders else 'tests'}/{TEST_SCRIPT}")
        if phase.environment is not None:
            _check_environment(folder, phase.environment)


def _explicit(values: Mapping[str, Any], path: str = "") -> set[str]:
    """The keys and tables of a document, with dots."""
    keys = {f"{path}{key}" for key in values}
    deeper = (_explicit(value, f"{path}{key}.") for key, value in values.items() if isinstance(value, Mapping))
    return keys.union(*deeper)


def _has_generator(folder: Path, wanted: TaskFormat) -> bool:
    file = folder / GENERATOR
    if file.is_file() and wanted.steps:
        raise BadInput(str(file), "instances of a task with steps are not supported", "remove it, or the steps")
    if file.is_file() and not file.stat().st_mode & 0o100:
        raise BadInput(str(file), "is not executable", "set its mode with chmod +x")
    return file.is_file()


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises BadInput."""
    try:
        return tomllib.loads(read_text(file))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(str(file), f"is not valid TOML: {error}", "correct the file") from error


def parse(file: Path, values: Mapping[str, Any], model: type[Model]) -> Model:
    """The content of a TOML file as a model. Raises BadInput, which names the key."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fault = first_fault(error, model)
        raise BadInput(str(file), fault.text, fault.fix) from error


def task_digest(folder: Path) -> str:
    """The sha256 over the names, executable bits and contents of all files of a task; of a link, where it leads."""
    total = hashlib.sha256()
    for name in names_below(folder):
        if "__pycache__" in (*folder.parts, *name.split("/")):
            continue
        path = f"{folder}/{name}"
        state = os.lstat(path)
        if stat.S_ISLNK(state.st_mode):
            total.update(f"{name} -> {os.readlink(path)}\n".encode())
        elif stat.S_ISREG(state.st_mode):
            mode = "x" if state.st_mode & 0o100 else "-"
            total.update(f"{name} {mode}\n".encode())
            total.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return total.hexdigest()
