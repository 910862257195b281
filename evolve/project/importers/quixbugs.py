"""QuixBugs: small Python programs with one bug each, graded by the published tests."""

from __future__ import annotations

from pathlib import Path

from evolve.core.errors import BadInput
from evolve.project.importers.benchmark import Benchmark, ImportedTask, ImportOptions, LeftOut, TaskFile, Unsuitable
from evolve.project.importers.folders import own_file, read_text
from evolve.project.importers.texts import TaskSettings, dockerfile, helper, script

BUGGY, CORRECT, TESTS, DATA = "python_programs", "correct_python_programs", "python_testcases", "json_testcases"
HELPERS = ("load_testdata.py", "node.py")
HARNESS = ("run_tests.py", "pytest.py")
INSTRUCTION = """The program in `{program}` has a bug. What it should do is described at the end of the file.

Find the bug and fix it in that file. Keep the name and the arguments of its function. The fix is a small change, often
of one line. Python 3 and its standard library are installed. Your program will be run on inputs that you don't see.
"""


class QuixBugs:
    """Imports the Python half; the Java programs are the same bugs again."""

    def recognises(self, source: Path) -> bool:
        return all((source / name).is_dir() for name in (BUGGY, CORRECT, TESTS))

    def read(self, source: Path, options: ImportOptions) -> Benchmark:
        """Read all programs that have a test. Raises BadInput if a folder is missing."""
        for name in (BUGGY, CORRECT, TESTS):
            if not (source / name).is_dir():
                raise BadInput(str(source / name), "is missing", "name the folder of a copy of QuixBugs")
        tasks: list[ImportedTask] = []
        left_out: list[LeftOut] = []
        for path in sorted((source / BUGGY).glob("*.py")):
            if path.stem == "node" or path.stem.startswith("_") or path.stem.endswith("_test"):
                continue  # parts of other programs, and drivers that print results
            try:
                tasks.append(ImportedTask(path.stem, _files(source, path.stem, options.image), f"{BUGGY}/{path.name}"))
            except Unsuitable as error:
                left_out.append(LeftOut(path.stem, str(error)))
        return Benchmark(tuple(tasks), tuple(left_out))


def _files(source: Path, name: str, image: str) -> tuple[TaskFile, ...]:
    program = f"{BUGGY}/{name}.py"
    buggy, correct = _text(source, program), _text(source, f"{CORRECT}/{name}.py")
    if buggy == correct:
        raise Unsuitable("the program and its correction are the same")
    return (
        TaskFile.of_text("task.toml", _settings().text()),
        TaskFile.of_text("instruction.md", INSTRUCTION.format(program=program)),
        TaskFile.of_text("environment/Dockerfile", dockerfile(image, has_files=True)),
        TaskFile.of_text(f"environment/workdir/{program}", buggy),
        script("solution/solve.sh", "#!/bin/sh", f"cp /solution/{name}.py {program}"),
        TaskFile.of_text(f"solution/{name}.py", correct),
        script("tests/test.sh", *_test_lines(name)),
        *_test_files(source, name),
    )


def _settings() -> TaskSettings:
    return TaskSettings(agent_seconds=900, verifier_seconds=120, storage_mb=256, metadata={"category": "repair"})


def _test_lines(name: str) -> tuple[str, ...]:
    return (
        "#!/bin/sh",
        "mkdir -p /logs/verifier",
        "echo 0 >/logs/verifier/reward.txt",
        f"python3 /tests/run_tests.py test_{name} && echo 1 >/logs/verifier/reward.txt",
    )


def _test_files(source: Path, name: str) -> list[TaskFile]:
    """The published test with its data, what such tests share, and the runner."""
    test = f"{TESTS}/test_{name}.py"
    files = [TaskFile.of_text(f"tests/{test}", _text(source, test))]
    for path in (f"{DATA}/{name}.json", *(f"{TESTS}/{helper_name}" for helper_name in HELPERS)):
        if (source / path).exists():
            files.append(TaskFile.of_text(f"tests/{path}", _text(source, path)))
    return [*files, *(TaskFile(f"tests/{one}", helper("quixbugs", one)) for one in HARNESS)]


def _text(source: Path, path: str) -> str:
    file = own_file(source, path)
    if file is None:
        raise Unsuitable(f"{path} is missing")
    return read_text(file, path)
