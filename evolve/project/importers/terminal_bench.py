"""Terminal-Bench, both generations: folders with a `task.yaml` (the first) or a `task.toml` (Harbor's format)."""

from __future__ import annotations

from pathlib import Path

from evolve.core.errors import BadInput
from evolve.project.importers.benchmark import Benchmark, ImportedTask, ImportOptions, LeftOut, TaskFile, Unsuitable
from evolve.project.importers.folders import files_below, folders_with
from evolve.project.importers.terminal_bench_yaml import TASK_YAML, read_yaml_task

TASK_TOML = "task.toml"
SCRIPTS = ("tests/test.sh", "solution/solve.sh")
PARTS = (TASK_TOML, "instruction.md", "trajectory.json", "environment/", "tests/", "solution/", "steps/", "README.md")


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
    """The files of a task in Harbor's format."""
    return [_runnable(one) for one in files_below(folder) if one.path.startswith(PARTS)]


def _runnable(file: TaskFile) -> TaskFile:
    """Harbor makes the scripts executable, whatever their mode is."""
    return TaskFile(file.path, file.content, file.executable or file.path in SCRIPTS)
