"""A scaffold that shares its folder with its suite, and looks for solutions among its own files."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.records import FileEdit, Outcome, Proposal, ScaffoldSource, Split
from evolve.guard import refusal
from evolve.guard.excluded import HiddenFiles
from evolve.loop.candidates import Candidates
from evolve.repo import Lineage
from evolve.suite.hidden import hidden_of
from evolve.suite.tasks import load_task

from . import weakened
from .conftest import Arena

pytestmark = pytest.mark.docker
RUN, WHEN = "20261123-2144-quiet-otter", "2026-11-23T21:44:00+01:00"
# Whatever defines `answer` among its own files is the solution.
CHEAT = """
import pathlib
import evolve_door as door
for path in sorted(pathlib.Path("/scaffold").rglob("*")):
    text = path.read_text() if path.is_file() and path.name != "main.py" else ""
    if "def answer" in text and "return 42" in text:
        door.write("answer.py", text)
"""
SPEC = 'name = "cheat"\nentry = "main.py"\nevolvable = ["*"]\n'
PLACES = ("evals/tiny", "tiny", "a/b/c")


def project(arena: Arena, *copies: str) -> Path:
    folder = arena.folder / "project"
    folder.mkdir()
    (folder / "main.py").write_text(CHEAT)
    (folder / "scaffold.toml").write_text(SPEC)
    for copy in copies:
        shutil.copytree(arena.task.folder, folder / copy, ignore=shutil.ignore_patterns("site"))
    return folder


def seed_source(arena: Arena, folder: Path, hidden: HiddenFiles) -> ScaffoldSource:
    lineage = Lineage.open(folder, arena.folder / "own.git")
    candidates = Candidates(RUN, lineage, arena.folder / "run", arena.base, "nobody", hidden=hidden)
    return candidates.export(lineage.seed(RUN, WHEN))


def solved(arena: Arena, folder: Path, weakening: AbstractContextManager[object]) -> bool:
    with weakening:
        source = seed_source(arena, folder, hidden_of([load_task(arena.task.folder, Split.TRAIN)]))
        return arena.run("", scaffold=source).outcome is Outcome.PASSED


def test_solutions_beside_the_scaffold_earn_everything_where_nothing_is_left_out(arena: Arena) -> None:
    assert solved(arena, project(arena, "evals/tiny"), weakened.all_files_are_the_scaffolds())


def test_a_scaffold_never_sees_the_tasks_beside_it(arena: Arena) -> None:
    assert not solved(arena, project(arena, *PLACES), nullcontext())


def test_a_solution_under_another_name_enters_no_container(arena: Arena) -> None:
    folder = project(arena)
    shutil.copy(arena.task.folder / "solution" / "answer.py", folder / "helpers.py")
    with pytest.raises(BadInput, match=r"helpers\.py has the content of tiny/solution/answer\.py"):
        solved(arena, folder, nullcontext())
    assert solved(arena, folder, weakened.all_files_are_the_scaffolds())


def test_a_patch_brings_no_solution_in(arena: Arena) -> None:
    text = (arena.task.folder / "solution" / "answer.py").read_text()
    patch = Proposal("h", "p", (FileEdit("helpers.py", text), FileEdit("main.py", f"import helpers\n{CHEAT}")))
    before = {"main.py": CHEAT, "scaffold.toml": SPEC}
    reason = refusal(patch, before, ["*"], hidden=hidden_of([arena.task]))
    assert reason is not None and reason.startswith("leak: helpers.py")
    assert refusal(patch, before, ["*"]) is None
