"""Check what a new run's scaffold holds, and say what of its folder is left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.escaping import plain
from evolve.guard.visible import MAX_TOTAL_CHARS, matching
from evolve.runs.digests import scaffold_survey
from evolve.runs.repository import left_out_places
from evolve.suite import scaffold
from evolve.suite.bundled import or_bundled
from evolve.suite.hidden import hidden_of
from evolve.suite.tasks import Suite

MAX_NAMED = 8
SELF = "self"


def check_scaffold(folder: Path, suite: Suite, runs: Path) -> None:
    """Check the scaffold of a new run. Raises BadInput, also for a copy of a hidden file under another name."""
    spec = scaffold.check_folder(folder)
    top, survey = or_bundled(folder), scaffold_survey(folder, *left_out_places(suite.folder, runs))
    hidden = hidden_of((*suite.tasks, *suite.refused))
    for entry in survey.entries:
        if copied := hidden.copied((top / entry.path).read_bytes()):
            problem = f"has the content of {copied}, which no scaffold may see"
            raise BadInput(str(folder / entry.path), problem, "move the file out of the scaffold's folder")
    _check_size(folder, spec, [top / entry.path for entry in survey.entries], top)
    paths = {entry.path for entry in survey.entries}
    _check_patterns(folder, spec, paths)
    for key, path in spec.named_files:
        if path not in paths:
            what = f"entry point `{path}`" if key == "entry" else f"`{path}`"
            problem = f"{what} is left out of the scaffold or ignored by git"
            raise BadInput(f"{folder}/{scaffold.FILE}", problem, "move it out of suites, tasks and results")


def _check_patterns(folder: Path, spec: scaffold.ScaffoldFile, paths: Collection[str]) -> None:
    """Raise BadInput for a pattern that no file of the scaffold matches: it is misspelt, or its files are left out."""
    for key, patterns in (("evolvable", spec.evolvable), ("shown", spec.shown or ())):
        if unmatched := [pattern for pattern in patterns if not matching(paths, [pattern])]:
            problem = f"key `{key}`: no file matches `{unmatched[0]}`"
            raise BadInput(f"{folder}/{scaffold.FILE}", problem, "correct or remove the pattern, or add such a file")


def _check_size(folder: Path, spec: scaffold.ScaffoldFile, paths: Sequence[Path], top: Path) -> None:
    """Raise BadInput if the files that patches may change are so large that every patch would be refused."""
    named = set(matching((path.relative_to(top).as_posix() for path in paths), spec.evolvable))
    size = sum(_characters(path) for path in paths if path.relative_to(top).as_posix() in named)
    if size > MAX_TOTAL_CHARS:
        problem = f"the text files that `evolvable` names have {size} characters, {MAX_TOTAL_CHARS} are the limit"
        fix = "name fewer of them; what the proposer should only read goes into `shown`"
        raise BadInput(f"{folder}/{scaffold.FILE}", problem, fix)


def _characters(path: Path) -> int:
    """The length of a text file; 0 for others, which no patch can change."""
    data = path.read_bytes()
    try:
        return 0 if b"\0" in data else len(data.decode())
    except UnicodeDecodeError:
        return 0


def refuse_self_proposer(config: RunConfig) -> None:
    """Raise BadInput if a scaffold that runs in the task's container is asked to improve itself: it has no task."""
    if config.proposer == SELF and scaffold.check_folder(config.scaffold).launch.in_task:
        problem = 'the scaffold has `place = "task"`, and its own files are no task'
        raise BadInput("--proposer self", problem, "use --proposer direct")


def describe_left_out(left_out: Mapping[str, str]) -> str:
    """What is left out of a scaffold, in one line; "" for nothing."""
    named = [f"{plain(path)} ({reason})" for path, reason in sorted(left_out.items())]
    more = [f"and {len(named) - MAX_NAMED} more"] if len(named) > MAX_NAMED else []
    return f"left out of the scaffold: {', '.join([*named[:MAX_NAMED], *more])}" if named else ""
