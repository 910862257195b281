"""Import a benchmark: read it, try every task in the loader, split the good ones, and write a suite, or nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.records import Split, SuiteProfile, Task
from evolve.host.temporary import is_abandoned, process_mark
from evolve.project.importers.benchmark import (
    MAX_TASKS,
    Benchmark,
    ImportedTask,
    ImportOptions,
    LeftOut,
    Shares,
    Unsuitable,
)
from evolve.project.importers.origin import Origin, origin_of
from evolve.project.importers.registry import detect, importer_of
from evolve.project.texts import suite_toml
from evolve.project.writing import explained_errors
from evolve.suite.split import split_tasks
from evolve.suite.task_files import load_task
from evolve.suite.tasks import SUITE_FILE, load_suite

RECORD_FILE = "import.json"
LICENCE_FILE = "LICENSE.source"
STAGED = ".evolve-import-"


@dataclass(frozen=True)
class Request:
    """What to import, and how. importer: "" to detect it; limit: the first so many tasks; licence: of the source."""

    source: Path
    target: Path
    importer: str = ""
    limit: int | None = None
    seed: int = 0
    shares: Shares = field(default_factory=Shares)
    licence: str = ""
    options: ImportOptions = field(default_factory=ImportOptions)


@dataclass(frozen=True)
class Imported:
    """One task of the new suite."""

    name: str
    origin: str
    split: Split
    difficulty: str
    digest: str


@dataclass(frozen=True)
class ImportReport:
    """What was written to `target`, and what was not and why. beyond_limit: tasks after the first so many."""

    target: Path
    importer: str
    origin: Origin
    tasks: tuple[Imported, ...]
    left_out: tuple[LeftOut, ...]
    beyond_limit: int
    notes: tuple[str, ...]


def import_suite(request: Request) -> ImportReport:
    """Write a suite of a benchmark's tasks. Raises BadInput if nothing can be imported; nothing is written then."""
    _check_target(request)
    name = request.importer or detect(request.source)
    importer = importer_of(name)
    if not request.source.exists():
        raise BadInput(str(request.source), "does not exist", "name a file or folder on this machine")
    with _readable(request.source):
        benchmark = importer.read(request.source, request.options)
        origin = origin_of(request.source, request.licence)
    _check_count(request, benchmark)
    return _write(request, name, origin, benchmark)


@contextlib.contextmanager
def _readable(source: Path) -> Iterator[None]:
    """Raise BadInput, which names the file, where the source can't be read."""
    try:
        yield
    except OSError as error:
        where = os.fsdecode(error.filename) if error.filename else str(source)
        raise BadInput(where, f"can't be read: {error.strerror}", "make it readable, or leave it out") from error


def _check_target(request: Request) -> None:
    target, source = request.target, request.source
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput(str(target), "exists and is not an empty folder", "name a new folder with --to")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise BadInput(str(target), "is inside the source", "name a folder elsewhere with --to")
    if request.limit is not None and request.limit < 1:
        raise BadInput("--limit", f"{request.limit} tasks make no suite", "use a number of 1 or more")


def _check_count(request: Request, benchmark: Benchmark) -> None:
    if not benchmark.tasks:
        reason = f": {benchmark.left_out[0].name}: {benchmark.left_out[0].reason}" if benchmark.left_out else ""
        raise BadInput(str(request.source), f"has no task that can be imported{reason}", "see docs/import.md")
    if len(benchmark.tasks) > MAX_TASKS:
        raise BadInput(str(request.source), f"has more than {MAX_TASKS} tasks", "import a part of it")


def _write(request: Request, importer: str, origin: Origin, benchmark: Benchmark) -> ImportReport:
    """Write everything into a folder beside the target, and give it the target's name at the end."""
    parent = request.target.absolute().parent
    with explained_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        staged = Path(tempfile.mkdtemp(prefix=f"{STAGED}{process_mark()}-", dir=parent))
        try:
            report = _stage(staged, request, importer, origin, benchmark)
            load_suite(staged)
            staged.chmod(0o755)
            staged.rename(request.target)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return report


def _sweep(parent: Path) -> None:
    """Remove what killed imports had not finished."""
    for folder in parent.glob(f"{STAGED}*"):
        if is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _stage(staged: Path, request: Request, importer: str, origin: Origin, benchmark: Benchmark) -> ImportReport:
    loaded, left_out, beyond = _loaded_tasks(staged, benchmark, request.limit)
    if not loaded:
        first = left_out[0]
        raise BadInput(str(request.source), f"has no task that can be run: {first.name}: {first.reason}", "correct it")
    difficulties = {task.name: task.difficulty for _, task in loaded}
    splits = split_tasks(difficulties, request.seed, request.shares.by_split)
    if not splits[Split.TRAIN]:
        raise BadInput("--train", f"{len(loaded)} tasks leave none for train", "raise its share")
    tasks = tuple(_imported(one, task, splits) for one, task in loaded)
    report = ImportReport(request.target, importer, origin, tasks, tuple(left_out), beyond, benchmark.notes)
    text = suite_toml(request.target.resolve().name, splits, request.seed, SuiteProfile.LOOSE)
    (staged / SUITE_FILE).write_text(text, encoding="utf-8")
    (staged / RECORD_FILE).write_text(json.dumps(_record(report, request), indent=1) + "\n", encoding="utf-8")
    if origin.licence.text:
        (staged / LICENCE_FILE).write_bytes(origin.licence.text)
    return report


def _loaded_tasks(
    staged: Path, benchmark: Benchmark, limit: int | None
) -> tuple[list[tuple[ImportedTask, Task]], list[LeftOut], int]:
    """Write tasks until there are enough that the loader accepts."""
    loaded: list[tuple[ImportedTask, Task]] = []
    left_out = list(benchmark.left_out)
    for number, task in enumerate(benchmark.tasks):
        if limit is not None and len(loaded) == limit:
            return loaded, left_out, len(benchmark.tasks) - number
        folder = staged / task.name
        try:
            with _readable(folder):
                contents = [file.read() for file in task.files]
            _write_task(folder, task, contents)
            loaded.append((task, load_task(folder, Split.TRAIN, SuiteProfile.LOOSE, harbor=True)))
        except (BadInput, Unsuitable) as error:
            left_out.append(LeftOut(task.name, str(error).replace(f"{folder}/", "")))
            shutil.rmtree(folder, ignore_errors=True)
    return loaded, left_out, 0


def _write_task(folder: Path, task: ImportedTask, contents: Sequence[bytes]) -> None:
    for file, content in zip(task.files, contents, strict=True):
        target = folder / file.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as opened:
                opened.write(content)
        except (FileExistsError, NotADirectoryError):
            raise Unsuitable(f"{file.path} is both a file and a folder") from None
        target.chmod(0o755 if file.executable else 0o644)


def _imported(one: ImportedTask, task: Task, splits: Mapping[Split, Sequence[str]]) -> Imported:
    split = next(split for split, names in splits.items() if one.name in names)
    return Imported(one.name, one.origin, split, task.difficulty, task.digest)


def _record(report: ImportReport, request: Request) -> dict[str, object]:
    """The file `import.json`."""
    origin = report.origin
    source = {"name": origin.name, "url": origin.url, "commit": origin.commit, "sha256": origin.sha256}
    shares = {str(split): float(share) for split, share in request.shares.by_split.items()}
    return {
        "importer": report.importer,
        "source": source,
        "licence": origin.licence.name,
        "split": {"seed": request.seed, "shares": shares},
        "tasks": {
            one.name: {"origin": one.origin, "split": str(one.split), "digest": one.digest} for one in report.tasks
        },
        "left_out": {one.name: one.reason for one in report.left_out},
        "beyond_limit": report.beyond_limit,
    }
