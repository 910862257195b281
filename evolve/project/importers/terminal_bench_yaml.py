"""A task of Terminal-Bench's first generation, as files in Harbor's format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from evolve.project.importers.benchmark import TaskFile, Unsuitable
from evolve.project.importers.compose import ClientService, read_compose
from evolve.project.importers.folders import files_below, own_file, read_text
from evolve.project.importers.texts import TaskSettings, helper

TASK_YAML = "task.yaml"
MOST_LEVELS = 100
COMPOSE = ("docker-compose.yaml", "docker-compose.yml")
RUN_TESTS, SOLUTION = "run-tests.sh", "solution.sh"
NOT_CONTEXT = (TASK_YAML, *COMPOSE, RUN_TESTS, SOLUTION, "solution.yaml", "tests/")
PARSERS = ("pytest", "swebench")
# Files beside the tests that `run-tests.sh` needs; some were shared by all tasks, and are not in the task's folder.
NEEDED = re.compile(r"\$\{?TEST_DIR\}?/([\w./-]+\.(?:sh|py))")


def _as_text(value: object) -> object:
    """YAML reads `difficulty: 1` as a number."""
    return str(value) if isinstance(value, int | float) else value


class _Description(BaseModel):
    """An entry of the older key `descriptions`."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    key: str
    description: str


class _TaskYaml(BaseModel):
    """`task.yaml`; its other keys say nothing about how the task runs."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    instruction: str = ""
    descriptions: tuple[_Description, ...] = ()
    difficulty: Annotated[str, BeforeValidator(_as_text)] = "unknown"
    category: str | None = None
    tags: tuple[str, ...] | None = ()
    parser_name: str = "pytest"
    max_agent_timeout_sec: float = Field(360.0, gt=0)
    max_test_timeout_sec: float = Field(60.0, gt=0)

    @property
    def text(self) -> str:
        """The instruction; of the older form the one called `base`. Raises Unsuitable if there is none."""
        base = {one.key: one.description for one in self.descriptions}.get("base", "")
        if not (text := (self.instruction or base).strip()):
            raise Unsuitable(f"its {TASK_YAML} has no instruction")
        return f"{text}\n"


def read_yaml_task(folder: Path) -> list[TaskFile]:
    """The files of one task. Raises Unsuitable for what has no counterpart."""
    task = _parsed(folder)
    if task.parser_name not in PARSERS:
        raise Unsuitable(f"its results are read by the parser `{task.parser_name}`, which is not supported")
    compose = _compose(folder)
    return [
        TaskFile.of_text("task.toml", _settings(task, compose).text()),
        TaskFile.of_text("instruction.md", task.text),
        *_environment(folder, compose),
        *_tests(folder, task.parser_name),
        *_solution(folder),
    ]


def load_yaml(path: Path, name: str) -> Any:
    """A YAML file's value. Raises Unsuitable; also for aliases, by which a small file can stand for a huge value."""
    text = read_text(path, name)
    try:
        if _has_aliases(text):
            raise Unsuitable(f"its {name} uses aliases (`*name`), which are not supported")
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Unsuitable(f"its {name} is not valid YAML: {' '.join(str(error).split())[:120]}") from error


def _has_aliases(text: str) -> bool:
    """Whether a YAML text has aliases. Raises ValueError for one so deeply nested that reading it takes minutes."""
    depth = 0
    for event in yaml.parse(text):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_LEVELS:
            raise ValueError(f"it is nested more than {MOST_LEVELS} deep")
        if isinstance(event, yaml.AliasEvent):
            return True
    return False


def _parsed(folder: Path) -> _TaskYaml:
    file = own_file(folder, TASK_YAML)
    assert file is not None
    try:
        return _TaskYaml.model_validate(load_yaml(file, TASK_YAML))
    except ValidationError as error:
        first: Any = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise Unsuitable(f"key `{key}` of its {TASK_YAML}: {first['msg']}") from error


def _compose(folder: Path) -> ClientService:
    for name in COMPOSE:
        if (file := own_file(folder, name)) is not None:
            return read_compose(load_yaml(file, name), name)
    return ClientService()


def _settings(task: _TaskYaml, compose: ClientService) -> TaskSettings:
    labels = {"category": task.category or "", "tags": list(task.tags or ())}
    return TaskSettings(
        agent_seconds=task.max_agent_timeout_sec,
        verifier_seconds=task.max_test_timeout_sec,
        memory_mb=compose.memory_mb or 2048,
        storage_mb=10_240,
        public_network=compose.public_network,
        shared_verifier=True,
        difficulty=task.difficulty,
        metadata={key: value for key, value in labels.items() if value},
    )


def _environment(folder: Path, compose: ClientService) -> list[TaskFile]:
    """The build context: what is not the tests, the solution or a description of the task."""
    own = [one for one in files_below(folder) if not one.path.startswith(NOT_CONTEXT)]
    inside = f"{compose.context}/" if compose.context else ""
    context = [one for one in own if one.path.startswith(inside)]
    files = {one.path.removeprefix(inside): one for one in context}
    if compose.dockerfile not in files:
        raise Unsuitable(f"it has no {inside}{compose.dockerfile}")
    text = files.pop(compose.dockerfile).read().decode(errors="replace")
    described = TaskFile.of_text("environment/Dockerfile", f"{text.rstrip()}\n{compose.dockerfile_lines}")
    kept = [TaskFile(f"environment/{path}", one.content, one.executable) for path, one in files.items()]
    return [described, *(one for one in kept if one.path != described.path)]


def _tests(folder: Path, parser: str) -> list[TaskFile]:
    """`run-tests.sh` and `tests/`, which are in one folder while they run, and a script that reads the results."""
    run = own_file(folder, RUN_TESTS)
    if run is None:
        raise Unsuitable(f"it has no {RUN_TESTS}")
    own = files_below(folder / "tests", "tests/") if (folder / "tests").is_dir() else []
    text = read_text(run, RUN_TESTS)
    missing = sorted(set(NEEDED.findall(text)) - {one.path.removeprefix("tests/") for one in own} - {RUN_TESTS})
    if missing:
        raise Unsuitable(f"its {RUN_TESTS} uses {missing[0]}, which is not in tests/")
    taken, script = (f"tests/{RUN_TESTS}", "tests/test.sh"), helper("terminal_bench", "test.sh")
    return [
        TaskFile("tests/test.sh", script.replace(b"parser=pytest", f"parser={parser}".encode()), executable=True),
        TaskFile(f"tests/{RUN_TESTS}", run, executable=True),
        *(one for one in own if one.path not in taken),
    ]


def _solution(folder: Path) -> list[TaskFile]:
    """The reference solution, if it is a script; the first generation may also have a list of keystrokes."""
    if (file := own_file(folder, SOLUTION)) is not None:
        return [TaskFile("solution/solve.sh", file, executable=True)]
    if (folder / "solution.yaml").exists():
        raise Unsuitable("its solution is a list of keystrokes (solution.yaml)")
    return []
