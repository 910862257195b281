"""Patches by hand, honest and otherwise, and those of the embedded proposer: what the guard says of each."""

from __future__ import annotations

import ast
import random
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.records import FileEdit, Limits, Proposal
from evolve.embedded.idioms import IDIOMS, Idiom
from evolve.embedded.slots import read_code
from evolve.guard import Vocabulary, refusal
from evolve.guard.imports import DOOR_NAMES
from tests.guard_corpus import EVOLVABLE, Entry, entries, judged, scaffold, vocabulary

GOOD, BAD = entries("good"), entries("bad")
DOOR = Path(__file__).parent.parent / "evolve" / "sandbox" / "files" / "evolve_door.py"
PLACES = 2


def said(files: dict[str, str], *edits: FileEdit, limits: Limits | None = None) -> str | None:
    return refusal(Proposal("h", "p", edits), files, EVOLVABLE, vocabulary(), limits or Limits())


def test_the_corpus_is_large_enough_and_has_no_twins() -> None:
    assert len(GOOD) >= 45 and len(BAD) >= 45
    assert sum(entry.held_out for entry in GOOD) >= 10 and sum(entry.held_out for entry in BAD) >= 10
    titles = [entry.title for entry in (*GOOD, *BAD)]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("entry", GOOD, ids=lambda entry: entry.title)
def test_an_honest_patch_is_measured(entry: Entry) -> None:
    assert judged(entry) is None


def test_nearly_all_bad_patches_are_refused_for_the_right_reason() -> None:
    verdicts = [(entry, judged(entry) or "") for entry in BAD]
    missed = [(entry.title, reason) for entry, reason in verdicts if not reason.startswith(f"{entry.kind}: ")]
    assert len(missed) <= 0.05 * len(BAD), missed


def test_every_reason_is_one_plain_line_and_names_no_task() -> None:
    for entry in BAD:
        reason = judged(entry) or ""
        text = " ".join(edit.text or "" for edit in entry.edits)
        assert len(reason) < 300 and "\n" not in reason
        if reason.startswith("leak:"):
            words = reason.split("`")[1::2]
            squeezed = "".join(filter(str.isalnum, text)).lower()
            assert all("".join(filter(str.isalnum, word)).lower() in squeezed for word in words)


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.name)
@pytest.mark.parametrize("base", ["single", "team"])
def test_the_embedded_proposers_ideas_are_measured(base: str, idiom: Idiom) -> None:
    files = scaffold(base)
    code = read_code({path: text for path, text in files.items() if path != "scaffold.toml"})
    for change in islice(idiom.find(code, random.Random(0)), PLACES):
        edits = [FileEdit(path, text) for path, text in change.items() if files.get(path) != text]
        assert said(files, *edits) is None


def test_the_doors_functions_are_known_by_name() -> None:
    module = ast.parse(DOOR.read_text())
    names = {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert {name for name in names if not name.startswith("_")} == DOOR_NAMES


def test_the_runs_own_limit_counts() -> None:
    files = scaffold("single")
    edit = FileEdit("main.py", files["main.py"].replace("TOOLS, temp", "TOOLS, max_tokens=8000, temp"))
    assert (said(files, edit) or "").startswith("frozen: an answer has at most 4096 tokens")
    assert said(files, edit, limits=Limits(max_tokens=8000)) is None


def test_violations_of_the_parent_are_ignored() -> None:
    files = {
        **scaffold("single"),
        "old.py": "import requests\n\neval('1')\nX = 'rm -rf tests; RangeMap _cut_out span.before'\n",
    }
    files["main.py"] = "import old\n" + files["main.py"]
    moved = FileEdit("new.py", files["old.py"] + "Y = 1\n")
    edits = (moved, FileEdit("old.py", None), FileEdit("main.py", files["main.py"].replace("import old", "import new")))
    assert said(files, *edits) is None


def test_a_scaffold_with_its_own_image_may_import_packages() -> None:
    files = scaffold("single")
    edit = FileEdit("main.py", "import openai\n" + files["main.py"])
    assert (said(files, edit) or "").startswith("can't be imported: main.py: there is no module `openai`")
    files = {**files, "scaffold.toml": files["scaffold.toml"] + 'image = "mine"\n'}
    assert said(files, edit) is None


def test_changes_of_used_docstrings_have_an_effect() -> None:
    files = scaffold("single")
    files = {**files, "main.py": files["main.py"] + "\n\nABOUT = solve.__doc__\n"}
    edit = FileEdit("main.py", files["main.py"].replace("Talk with the model", "Talk to the model"))
    assert said(files, edit) is None


def test_without_a_vocabulary_no_word_is_a_leak() -> None:
    files = scaffold("single")
    edit = FileEdit("prompts/system.md", files["prompts/system.md"] + "In the interval-map task use RangeMap.\n")
    assert refusal(Proposal("h", "p", (edit,)), files, EVOLVABLE) is None
    assert refusal(Proposal("h", "p", (edit,)), files, EVOLVABLE, Vocabulary()) is None


TEXTS = st.text(max_size=200) | st.lists(
    st.sampled_from([*"ab\n\t '\"`(){}[]=.,;&|>/-#", "rm ", "tests/", "git log ", "import ", "eval(", "door.", "task "])
).map("".join)
PATHS = st.sampled_from(["main.py", "tools.py", "new.py", "prompts/system.md", "settings.toml", "json.py", "../x.py"])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(PATHS, st.none() | TEXTS), max_size=3), st.booleans())
def test_the_order_of_edits_does_not_change_the_answer(edits: list[tuple[str, str | None]], append: bool) -> None:
    files = scaffold("single")
    whole = [(path, files.get(path, "") + text if append and text is not None else text) for path, text in edits]
    made = [FileEdit(path, text) for path, text in dict(whole).items()]
    reason = said(files, *made)
    assert reason is None or (reason and "\n" not in reason)
    assert said(files, *reversed(made)) == reason


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["main.py", "tools.py", "settings.py"]), st.data(), st.text("abc xyz#'", max_size=20))
def test_a_comment_is_no_effect(path: str, data: st.DataObject, words: str) -> None:
    text = scaffold("single")[path]
    ends = [node.end_lineno or 0 for node in ast.parse(text).body]
    lines = text.splitlines(keepends=True)
    at = data.draw(st.sampled_from(ends))
    edited = "".join([*lines[:at], f"# {words}\n\n", *lines[at:]])
    assert said(scaffold("single"), FileEdit(path, edited)) == (
        "no effect: the patch changes only comments, docstrings and whitespace"
    )
