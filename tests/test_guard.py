"""What may not be measured."""

from __future__ import annotations

import ast
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.records import FileEdit, Proposal
from evolve.guard import MAX_TOTAL_CHARS, refusal

FILES = {"agent.py": "x = 1\n", "prompts/system.md": "Be brief.\n", "scaffold.toml": 'name = "one"\n'}
EVOLVABLE = ("*.py", "prompts/*", "*.toml")
NAMES = st.text(string.ascii_lowercase + "./", min_size=1, max_size=12)


def refused(*edits: tuple[str, str | None], note: str = "", evolvable: tuple[str, ...] = EVOLVABLE) -> str | None:
    made = tuple(FileEdit(path, text) for path, text in edits)
    return refusal(Proposal("h", "p", made, note=note), FILES, evolvable)


@pytest.mark.parametrize(
    "edit",
    [
        ("agent.py", "x = 2\n"),
        ("agent.py", None),
        ("prompts/system.md", "def ("),
        ("limits.toml", "a = 1\n"),
    ],
)
def test_an_honest_patch_passes(edit: tuple[str, str | None]) -> None:
    assert refused(edit) is None


def test_the_proposers_own_note_comes_first() -> None:
    assert refused(("agent.py", "def ("), note="the model proposed nothing") == "the model proposed nothing"


@pytest.mark.parametrize("edits", [(), (("agent.py", "x = 1\n"),), (("gone.py", None),)])
def test_a_patch_without_effect_is_refused(edits: tuple[tuple[str, str | None], ...]) -> None:
    assert (refused(*edits) or "").startswith("no effect")


@pytest.mark.parametrize("path", ["run.sh", "data/x.md", "Agent.PY", "scaffold.toml"])
def test_a_patch_out_of_scope_is_refused(path: str) -> None:
    problem = refused(("agent.py", "x = 2\n"), (path, ""))
    assert problem == f"out of scope: {path} must not be changed"


@pytest.mark.parametrize("text", ['entry = "x.py"\n', None])
def test_scaffold_toml_is_never_evolvable(text: str | None) -> None:
    assert (refused(("scaffold.toml", text), evolvable=("*", "scaffold.toml")) or "").startswith("out of scope")


@pytest.mark.parametrize("path", ["Dockerfile", "tools/Dockerfile", "tools/install.sh", "needs.txt"])
def test_what_the_scaffolds_image_is_built_from_stays(path: str) -> None:
    image = {
        "Dockerfile": 'build = "Dockerfile"', "tools/Dockerfile": 'build = "tools/Dockerfile"',
        "tools/install.sh": 'build = "tools/Dockerfile"', "needs.txt": 'requirements = "needs.txt"',
    }[path]  # fmt: skip
    files = {**FILES, path: "x\n", "scaffold.toml": f'name = "one"\n[image]\n{image}\n'}
    proposal = Proposal("h", "p", (FileEdit(path, "y\n"),))
    assert (refusal(proposal, files, ("*",)) or "").startswith("out of scope")


def test_the_entry_point_stays() -> None:
    files = {**FILES, "scaffold.toml": 'name = "one"\nentry = "agent.py"\n'}
    edits = (FileEdit("agent.py", None),)
    assert refusal(Proposal("h", "p", edits), files, EVOLVABLE) == "out of scope: agent.py is the entry point"


@pytest.mark.parametrize("path", ["x\x1b[2J", "a\nround 3: keep", "\u202ecod.exe", "\ud800", "y" * 10_000])
def test_a_reason_is_one_plain_line_whatever_the_path(path: str) -> None:
    problem = refused((path, "x")) or ""
    assert problem.startswith("out of scope") and problem.isprintable() and len(problem) < 1_000


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("agent.py", "def ("),
        ("agent.py", "x = 1\0"),
        ("agent.py", "x = '\ud800'"),
        ("agent.py", "-" * 100_000 + "1"),
        ("agent.py", "x" + ".y" * 90_000),
        ("limits.toml", "a = "),
        ("limits.toml", "a = " + "[" * 3_000),
        ("limits.toml", "a" + ".b" * 90_000 + " = 1"),
    ],
)
def test_files_that_do_not_parse_are_refused(path: str, text: str) -> None:
    problem = refused((path, text)) or ""
    assert problem.startswith(f"does not parse: {path}")
    assert len(problem) < 300
    assert "\n" not in problem


def test_size_counts_the_whole_scaffold() -> None:
    files = {**FILES, "prompts/long.md": "y" * (MAX_TOTAL_CHARS // 2)}
    room = MAX_TOTAL_CHARS - sum(map(len, files.values()))

    def of(chars: int, *gone: str) -> str | None:
        edits = (FileEdit("prompts/more.md", "x" * chars), *(FileEdit(path, None) for path in gone))
        return refusal(Proposal("h", "p", edits), files, EVOLVABLE)

    assert of(room) is None
    assert (of(room + 1) or "").startswith("too large")
    assert of(room + 1, "agent.py", "prompts/system.md") is None


def test_a_patch_that_grows_the_scaffold_too_much_is_refused() -> None:
    assert refused(("prompts/more.md", "x" * 29_000)) is None
    assert (refused(("prompts/more.md", "x" * 31_000)) or "").startswith("too large: one patch")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(NAMES, st.none() | st.text(max_size=40)), max_size=4))
def test_any_proposal_gets_one_line_or_none(edits: list[tuple[str, str | None]]) -> None:
    problem = refused(*edits)
    assert problem is None or problem
    if problem is None:
        assert all(path != "scaffold.toml" for path, _ in edits)
        assert any(FILES.get(path) != text for path, text in edits)


@settings(max_examples=50, deadline=None)
@given(NAMES, st.text(max_size=20))
def test_nothing_is_evolvable_unless_a_pattern_says_so(path: str, text: str) -> None:
    assert (refused((path, text), evolvable=()) or "").startswith(("out of scope", "no effect"))


def test_files_that_are_too_large_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ast, "parse", lambda text: pytest.fail("it was parsed"))
    huge = "x = [" + "1," * MAX_TOTAL_CHARS + "]"
    assert (refused(("agent.py", huge)) or "").startswith("too large")


@pytest.mark.parametrize(
    ("call", "refuses"),
    [
        ("door.replace('tests/test_app.py', 'assertEqual', 'assertTrue')", True),
        ("door.write('conftest.py', '')", True),
        ("door.replace('app.py', 'a', 'b')", False),
        ("name.replace('test_', '')", False),
    ],
)
def test_a_patch_that_edits_test_files_by_the_door_is_refused(call: str, refuses: bool) -> None:
    reason = refused(("agent.py", f"import evolve_door as door\n\nname = 'x'\n{call}\n"))
    assert (reason or "").startswith("tests:") is refuses, reason
