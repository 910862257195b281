"""What belongs to no scaffold, by names and by contents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve import guard
from evolve.core.records import FileEdit, Proposal
from evolve.core.text import LEAST_CONTENT, content_digest
from evolve.guard.excluded import HiddenFiles, foreign_path, hidden_files

SECRET = "assert price('gold') == 17\n"
SPEC = 'name = "x"\nentry = "main.py"\nevolvable = ["*"]\n'
BEFORE = {"scaffold.toml": SPEC, "main.py": "x = 1\n"}


@pytest.mark.parametrize(
    ("path", "others", "reason"),
    [
        ("evals/t/solution/solve.sh", ["evals/suite.toml"], "a suite"),
        ("evals/suite.toml", [], "a suite"),
        ("a/b/t/tests/test.sh", ["a/b/t/task.toml"], "a task"),
        ("t/steps/one/tests/test.sh", ["t/task.toml"], "a task"),
        ("t/task.toml", ["t/instruction.md"], "a task"),
        ("results/x.json", ["results/evolve.db"], "results of runs"),
        ("old/20261123-2144-quiet-otter/trials/a.json", [], "results of runs"),
        ("evolve.db-wal", [], "results of runs"),
        (".evolve/state.json", [], "Evolve's state"),
        ("src/.evolve-cache/x", [], "Evolve's state"),
        ("suite.toml", [], "a suite"),
    ],
)
def test_what_is_no_part_of_a_scaffold(path: str, others: list[str], reason: str) -> None:
    assert foreign_path(path, others) == reason


@pytest.mark.parametrize(
    ("path", "others"),
    [
        ("tests/test_agent.py", ["main.py"]),
        ("main.py", ["evals/suite.toml"]),
        ("config/task.toml", ["config/main.py"]),
        ("candidates/x.py", ["trials/y.py"]),
        ("pack/candidates/x.py", ["pack/trials/y.py"]),
        ("evolve_door.py", []),
    ],
)
def test_ordinary_files_belong_to_it(path: str, others: list[str]) -> None:
    assert foreign_path(path, others) is None


@given(st.lists(st.sampled_from(["a", "b", "tests", "solution"]), max_size=3), st.sampled_from(["x.py", "task.md"]))
def test_whatever_is_below_a_task_is_left_out(folders: list[str], name: str) -> None:
    assert foreign_path("/".join(["t", *folders, name]), ["t/task.toml", "t/tests/test.sh"]) == "a task"


@given(st.binary(max_size=200), st.sampled_from([b" ", b"\r\n", b"\t", b"\n\n"]))
def test_white_space_hides_no_copy_and_short_contents_tell_nothing(content: bytes, space: bytes) -> None:
    digest = content_digest(content)
    assert content_digest(space + content + space) == digest or content.startswith(b"\xef\xbb\xbf")
    assert (digest is None) == (len(b"".join(content.removeprefix(b"\xef\xbb\xbf").split())) < LEAST_CONTENT)


def test_a_copy_is_known_under_every_name_but_not_what_an_agent_sees_anyway() -> None:
    hidden = hidden_files(
        [("t/tests/test_hidden.py", SECRET.encode()), ("t/tests/data.py", b"VALUES = list(range(9))"),
         ("t/tests/Dockerfile", b"FROM python:3.12-slim-bookworm")],
        [b"VALUES = list(range(9))\n"],
    )  # fmt: skip
    assert hidden.copied("\ufeff" + SECRET.replace("\n", "\r\n")) == "t/tests/test_hidden.py"
    assert hidden.copied("VALUES = list(range(9))") is None
    assert hidden.copied("FROM python:3.12-slim-bookworm") is None
    assert hidden.copied(SECRET.replace("17", "18")) is None


def refusal(*edits: tuple[str, str], hidden: HiddenFiles | None = None) -> str | None:
    proposal = Proposal("h", "p", tuple(FileEdit(path, text) for path, text in edits))
    return guard.refusal(proposal, BEFORE, ["*"], hidden=hidden)


def test_a_patch_brings_in_neither_copies_nor_tasks() -> None:
    hidden = hidden_files([("gold/tests/test_hidden.py", SECRET.encode())], [])
    copied = refusal(("notes.md", SECRET), hidden=hidden)
    assert copied is not None and copied.startswith("leak: notes.md") and "gold" not in copied
    assert refusal(("notes.md", SECRET)) is None
    task = refusal(("t/task.toml", "x = 1"), ("t/tests/test.sh", "exit 0"), ("main.py", "x = 2\n"))
    assert task is not None and "would make a task of its folder" in task
    assert refusal(("data/suite.toml", "x = 1"), ("main.py", "x = 2\n")) is not None


def test_a_patch_writes_nothing_where_suite_and_results_are() -> None:
    proposal = Proposal("h", "p", (FileEdit("evals/new.py", "x = 1\n"), FileEdit("main.py", "x = 2\n")))
    assert guard.refusal(proposal, BEFORE, ["*"]) is None
    reason = guard.refusal(proposal, BEFORE, ["*"], outside=("evals", "runs"))
    assert reason is not None and reason.startswith("out of scope: evals/new.py lies where the suite")


def test_the_files_of_the_scaffolds_own_image_are_no_part_of_a_patch() -> None:
    before = {**BEFORE, "scaffold.toml": f'{SPEC}dockerfile = "image/Dockerfile"\n', "image/Dockerfile": "FROM x\n"}
    for path in ("image/Dockerfile", "image/new.py"):
        proposal = Proposal("h", "p", (FileEdit(path, "FROM y\n"), FileEdit("main.py", "x = 2\n")))
        assert guard.refusal(proposal, before, ["*"]) == f"out of scope: {path} must not be changed"
