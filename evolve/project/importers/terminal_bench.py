"""Terminal-Bench, both generations: folders with a `task.yaml` (the first) or a `task.toml` (Harbor's format)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.project.importers.benchmark import Benchmark, ImportedTask, ImportOptions, LeftOut, TaskFile, Unsuitable
from evolve.project.importers.folders import files_below, folders_with, own_file, read_text
from evolve.project.importers.terminal_bench_yaml import TASK_YAML, read_yaml_task
from evolve.project.importers.texts import parsed_toml, with_defaults

TASK_TOML = "task.toml"
SCRIPTS = ("tests/test.sh", "solution/solve.sh")
PARTS = ("instruction.md", "environment/", "tests/", "solution/", "steps/", "README.md")


class TerminalBench:
    """Imports each folder by the file that describes it. Both generations may stand in one source."""

    def recognises(self, source: Path) -> bool:
        return source.is_dir() and bool(folders_with(source, (TASK_TOML, TASK_YAML)))

    def read(self, source: Path, options: ImportOptions) -> Benchmark:
        """Read all tasks below the folder. Raises BadInput if it is no folder, or holds no task."""
        if not source.is_dir():
            raise BadInput(str(source), "is not a folder", f"name a folder whose folders have a {TASK_TOML} each")
        folders = folders_with(source, (TASK_TOML, TASK_YAML))
        if not folders:
            raise BadInput(str(source), "holds no task", f"name a folder whose folders have a {TASK_TOML} each")
        tasks: dict[str, ImportedTask] = {}
        left_out: list[LeftOut] = []
        for folder in folders:
            origin = folder.relative_to(source).as_posix()
            try:
                _add(tasks, _read_folder(folder, origin))
            except Unsuitable as error:
                left_out.append(LeftOut(origin, str(error)))
        return Benchmark(tuple(tasks.values()), tuple(left_out))


def _add(tasks: dict[str, ImportedTask], task: ImportedTask) -> None:
    if task.name in tasks:
        raise Unsuitable(f"{tasks[task.name].origin} has the same name")
    tasks[task.name] = task


def _read_folder(folder: Path, origin: str) -> ImportedTask:
    name = folder.resolve().name
    if (folder / TASK_TOML).exists():
        return ImportedTask(name, tuple(_harbor_files(folder)), origin)
    return ImportedTask(name, tuple(read_yaml_task(folder)), origin)


def _harbor_files(folder: Path) -> list[TaskFile]:
    """The files of a task in Harbor's format, with what Harbor assumes written down."""
    file = own_file(folder, TASK_TOML)
    assert file is not None
    text = read_text(file, TASK_TOML)
    described = TaskFile.of_text(TASK_TOML, with_defaults(text, _assumed(parsed_toml(text), folder)))
    others = [one for one in files_below(folder) if one.path.startswith(PARTS)]
    return [described, *(_runnable(one) for one in others)]


def _runnable(file: TaskFile) -> TaskFile:
    """Harbor makes the scripts executable, whatever their mode is."""
    return TaskFile(file.path, file.content, file.executable or file.path in SCRIPTS)


def _assumed(task: Mapping[str, object], folder: Path) -> dict[str, dict[str, str]]:
    """The keys whose absence Harbor and Evolve read in different ways, by table: network, and where the tests run."""
    environment, verifier = _table(task, "environment"), _table(task, "verifier")
    found: dict[str, dict[str, str]] = {}
    if not {"network_mode", "allow_internet"} & set(environment):
        found["environment"] = {"network_mode": "public"}
    own_image = "environment" in verifier or (folder / "tests" / "Dockerfile").exists()
    if "environment_mode" not in verifier and not own_image:
        found["verifier"] = {"environment_mode": "shared"}
    return found


def _table(task: Mapping[str, object], name: str) -> Mapping[str, object]:
    table = task.get(name, {})
    if not isinstance(table, dict):
        raise Unsuitable(f"its task.toml has a key `{name}` that is no table")
    return table
