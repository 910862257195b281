"""Tasks from a table: a JSONL or CSV file with an instruction and an expected answer, or a check, in each row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.project.importers.benchmark import (
    MAX_TASKS,
    TASK_NAME,
    Benchmark,
    Compare,
    ImportedTask,
    ImportOptions,
    TaskFile,
    Unsuitable,
)
from evolve.project.importers.rows import Row, read_rows, text_of, texts_of
from evolve.project.importers.texts import WORKDIR, TaskSettings, dockerfile, helper, script

SUFFIXES = (".jsonl", ".ndjson", ".csv")
COLUMNS = (
    *("id", "instruction", "answer", "compare", "tolerance", "check", "solution", "files", "test_files"),
    *("difficulty", "agent_seconds"),
)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
WRITE_ANSWER = "Write your answer, and nothing else, to the file `{path}`.\n"
# What a row's own files may not replace.
GRADER = ("test.sh", "check.sh", "compare.sh", "expected")


@dataclass(frozen=True)
class Answer:
    """The expected answer of a row, and how the agent's is compared with it."""

    text: str
    compare: Compare
    tolerance: float

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise Unsuitable("`answer` is empty: doing nothing must not be a solution")
        if self.compare is Compare.NUMBER and not NUMBER.fullmatch(self.text.strip()):
            raise Unsuitable(f"`answer` is {ascii(self.text)[:40]}, which is no number")


class Table:
    """Imports a table of your own. All tasks have one image."""

    def recognises(self, source: Path) -> bool:
        if not source.is_file() or source.suffix.lower() not in SUFFIXES:
            return False
        try:
            first = next(iter(read_rows(source, limit=1)), None)
        except BadInput:
            return True  # the error is shown when it is read
        return first is None or "FAIL_TO_PASS" not in first.values

    def read(self, source: Path, options: ImportOptions) -> Benchmark:
        """Read all rows. Raises BadInput, which names the row, for the first one that is not a task."""
        if source.suffix.lower() not in SUFFIXES:
            raise BadInput(str(source), "is not a table", f"name a file that ends with {', '.join(SUFFIXES)}")
        rows = list(read_rows(source, limit=MAX_TASKS + 1))
        if not rows or len(rows) > MAX_TASKS:
            problem = f"has more than {MAX_TASKS} rows" if rows else "has no rows"
            raise BadInput(str(source), problem, "name a file with one row for each task")
        _check_columns(options, {name for row in rows for name in row.values})
        renamed = [row.renamed(options.columns) for row in rows]
        tasks: dict[str, ImportedTask] = {}
        for number, row in enumerate(renamed, 1):
            task = _task(row, number, len(rows), options)
            if task.name in tasks:
                raise BadInput(row.where, f"has the id `{task.name}`, as {tasks[task.name].origin}", "make ids unique")
            tasks[task.name] = task
        return Benchmark(tuple(tasks.values()), notes=_unused(renamed))


def _check_columns(options: ImportOptions, names: set[str]) -> None:
    for ours, theirs in options.columns.items():
        if ours not in COLUMNS:
            raise BadInput("--column", f"there is no column `{ours}`", f"use one of {', '.join(COLUMNS)}")
        if theirs not in names:
            raise BadInput("--column", f"the table has no column `{theirs}`", "write it as the table does")


def _unused(rows: list[Row]) -> tuple[str, ...]:
    others = sorted({ascii(name)[1:-1][:40] for row in rows for name in row.values} - set(COLUMNS))
    return (f"columns that are not used: {', '.join(others[:20])}",) if others else ()


def _task(row: Row, number: int, count: int, options: ImportOptions) -> ImportedTask:
    try:
        name = text_of(row, "id") or f"row-{number:0{len(str(count))}d}"
        if not TASK_NAME.fullmatch(name):
            raise Unsuitable(f"`id` is {ascii(name)[:60]}: use letters, digits, `.`, `-` and `_`, at most 100")
        return ImportedTask(name, tuple(_files(row, options)), row.where)
    except Unsuitable as error:
        raise BadInput(row.where, str(error), "correct the row") from error


def _files(row: Row, options: ImportOptions) -> list[TaskFile]:
    instruction, answer, check = text_of(row, "instruction"), text_of(row, "answer"), text_of(row, "check")
    if not instruction.strip():
        raise Unsuitable("`instruction` is missing")
    if bool(answer.strip()) == bool(check.strip()):
        raise Unsuitable("needs either `answer` or `check`, and not both")
    workdir, tests = texts_of(row, "files"), texts_of(row, "test_files")
    if taken := sorted(set(tests) & set(GRADER)):
        raise Unsuitable(f"`test_files` has {taken[0]}, a name that the grader uses")
    grading = (
        _answer_files(row, answer, instruction, options) if answer.strip() else _check_files(row, check, instruction)
    )
    return [
        TaskFile.of_text("task.toml", _settings(row).text()),
        TaskFile.of_text("environment/Dockerfile", dockerfile(options.image, bool(workdir))),
        *(TaskFile.of_text(f"environment/workdir/{path}", text) for path, text in workdir.items()),
        *(TaskFile.of_text(f"tests/{path}", text) for path, text in tests.items()),
        *grading,
    ]


def _settings(row: Row) -> TaskSettings:
    seconds = _number(row, "agent_seconds", 1800.0)
    if seconds <= 0:
        raise Unsuitable("`agent_seconds` must be above 0")
    return TaskSettings(agent_seconds=seconds, difficulty=text_of(row, "difficulty") or "unknown")


def _answer_files(row: Row, answer: str, instruction: str, options: ImportOptions) -> list[TaskFile]:
    """Grading by an expected answer, which the reference solution writes."""
    expected = Answer(answer, _compare(row, options), _number(row, "tolerance", options.tolerance))
    path = f"{WORKDIR}/{options.answer_file}"
    return [
        TaskFile.of_text("instruction.md", f"{instruction.rstrip()}\n\n{WRITE_ANSWER.format(path=path)}"),
        script(
            "tests/test.sh", "#!/bin/sh", f"exec sh /tests/compare.sh {path} {expected.compare} {expected.tolerance}"
        ),
        TaskFile("tests/compare.sh", helper("table", "compare.sh"), executable=True),
        TaskFile.of_text("tests/expected", expected.text),
        script("solution/solve.sh", "#!/bin/sh", f"cp /solution/{options.answer_file} {path}"),
        TaskFile.of_text(f"solution/{options.answer_file}", expected.text),
    ]


def _check_files(row: Row, check: str, instruction: str) -> list[TaskFile]:
    """Grading by a command; the reference solution is a command too, and may be absent."""
    files = [
        TaskFile.of_text("instruction.md", f"{instruction.rstrip()}\n"),
        TaskFile("tests/test.sh", helper("table", "check.sh"), executable=True),
        script("tests/check.sh", check),
    ]
    solution = text_of(row, "solution")
    return [*files, script("solution/solve.sh", "#!/bin/sh", solution)] if solution.strip() else files


def _compare(row: Row, options: ImportOptions) -> Compare:
    word = text_of(row, "compare") or options.compare.value
    if word not in set(Compare):
        raise Unsuitable(f"`compare` is {ascii(word)[:40]}; use {', '.join(Compare)}")
    return Compare(word)


def _number(row: Row, column: str, default: float) -> float:
    text = text_of(row, column).strip()
    if not text:
        return default
    if not NUMBER.fullmatch(text) or not 0 <= (value := float(text)) < float("inf"):
        raise Unsuitable(f"`{column}` is {ascii(text)[:40]}; use a number of 0 or more")
    return value


def columns_option(words: list[str]) -> Mapping[str, str]:
    """`OURS=THEIRS` words as a mapping. Raises BadInput."""
    pairs = [word.partition("=") for word in words]
    if bad := [word for word, (_, sign, theirs) in zip(words, pairs, strict=True) if not (sign and theirs)]:
        raise BadInput("--column", f"{bad[0]!r} has no value", "write it as instruction=question")
    return {ours: theirs for ours, _, theirs in pairs}
