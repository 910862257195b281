"""The scaffold at work on itself: what it is given, and what becomes of what it leaves. No container."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from evolve.analysis import Shelf, analyse_trials, task_labels
from evolve.core.errors import InfraError
from evolve.core.records import FileEdit, Proposal, Usage
from evolve.executor.evaluate import TRIES, Evaluator
from evolve.loop.propose import Brief, self_improve
from evolve.loop.propose.answer import MAX_PATCH_CHARS
from evolve.loop.propose.self_proposer import KEPT, MAX_REPAIRS, NOT_GIVEN, proposal_of
from evolve.sandbox.archive import (
    MAX_COLLECTED_BYTES,
    MAX_COLLECTED_FILES,
    CollectedFiles,
    collect_files,
    pack_texts,
    read_archive,
    unpack_archive,
)
from evolve.sandbox.shell import ContainerShell
from evolve.trial.scaffold_run import ChargedFault
from evolve.trial.self_work import SelfWork, SelfWorkResult
from tests.fakes import FolderWorkspace, chat_event, completion, result, trial_spec
from tests.test_analysis import asked, document

FILES = {"main.py": "one = 1\ntwo = 2\n", "prompts/system.md": "Be brief.\n"}
TRIALS = analyse_trials([(result("alpha", 0.0), document(asked(content="I am stuck")))], task_labels(["alpha"]))
BRIEF = Brief(FILES, ("*.py",), "3 of 4 failed ${x}", "", Shelf(TRIALS), {"G1": ["alpha", "beta"]}, "Look at tools.")
PAPER = {"hypothesis": "because", "prediction": "more", "fixes": ["G1"], "may_break": [], "new_files": {}}
TIP = {f"scaffold/{path}": text.encode() for path, text in FILES.items()}


def done(changes: Mapping[str, bytes | None], paper: object = PAPER, problem: str = "", **more: Any) -> SelfWorkResult:
    data = paper if isinstance(paper, bytes) else json.dumps(paper).encode()
    files = {path: text for path, text in {**TIP, "proposal.json": data, **changes}.items() if text is not None}
    return SelfWorkResult(
        CollectedFiles({} if problem else files, problem), more.pop("events", ()), Usage(2, 30, 4), **more
    )


def test_changed_new_and_deleted_files_are_the_patch() -> None:
    changes = {"scaffold/main.py": b"one = 2\n", "scaffold/new.py": b"x", "scaffold/prompts/system.md": None}
    made = proposal_of(done(changes), BRIEF)
    edits = (FileEdit("main.py", "one = 2\n"), FileEdit("new.py", "x"), FileEdit("prompts/system.md", None))
    assert made == Proposal("because", "more", edits, fixes=("alpha", "beta"))


@pytest.mark.parametrize("path", ["scaffold/more.py", "more.py"])
def test_files_that_no_tool_could_make_stand_in_the_proposal(path: str) -> None:
    made = proposal_of(done({}, {**PAPER, "new_files": {path: "x = 1\n"}}), BRIEF)
    assert made.edits == (FileEdit("more.py", "x = 1\n"),)


@pytest.mark.parametrize(
    ("changes", "paper", "note"),
    [
        ({}, PAPER, "the scaffold changed nothing"),
        ({"scaffold/main.py": b"\xff\xfe"}, PAPER, "is not text"),
        ({"scaffold/main.py": b"a\0b"}, PAPER, "is not text"),
        ({"scaffold/\udcff.py": b"x"}, PAPER, "is not text, or its name is not"),
        ({"scaffold/main.py": b"x" * (MAX_PATCH_CHARS + 1)}, PAPER, "more than"),
        ({}, {"new_files": ["a"]}, "no object"),
        ({}, {"new_files": {"a.py": 3}}, "no object"),
        ({}, {"new_files": {"a.py": "\ud800"}}, "is not text"),
    ],
)  # fmt: skip
def test_what_can_not_be_taken_is_told(changes: dict[str, bytes], paper: Any, note: str) -> None:
    made = proposal_of(done(changes, paper), BRIEF)
    assert note in made.note and not made.edits
    made.note.encode()


@pytest.mark.parametrize(
    "paper", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"1" * 5000, b'{"hypothesis": [], "fixes": 3}']
)
def test_a_broken_proposal_keeps_the_patch_and_takes_the_last_words(paper: bytes) -> None:
    events = (chat_event([], completion("I did it.")), chat_event([], completion(None)))
    made = proposal_of(done({"scaffold/main.py": b"x"}, paper, events=events), BRIEF)
    assert (made.hypothesis, made.prediction, len(made.edits)) == ("I did it.", NOT_GIVEN, 1)
    assert proposal_of(done({"scaffold/main.py": b"x"}, paper), BRIEF).hypothesis == NOT_GIVEN


def test_an_end_by_a_limit_is_told_where_nothing_was_changed() -> None:
    assert proposal_of(done({}, ending="the budget of calls was spent"), BRIEF).note.endswith("calls was spent)")
    assert not proposal_of(done({"scaffold/main.py": b"x"}, ending="killed"), BRIEF).note


class Runs:
    """What each run leaves, in order; keeps what it was given."""

    def __init__(self, *left: SelfWorkResult) -> None:
        self.left, self.given = list(left), list[tuple[str, dict[str, str], int]]()

    def __call__(self, instruction: str, files: Mapping[str, str], seed: int) -> SelfWorkResult:
        self.given.append((instruction, dict(files), seed))
        return self.left[min(len(self.given), len(self.left)) - 1]


def test_it_finds_its_files_the_notes_and_an_empty_proposal() -> None:
    runs = Runs(done({"scaffold/main.py": b"x"}))
    made = self_improve(runs, BRIEF, 7, lambda proposal: None)
    instruction, files, _ = runs.given[0]
    assert files["scaffold/main.py"] == FILES["main.py"] and files["notes/digest.md"] == "3 of 4 failed ${x}\n"
    assert "I am stuck" in files["notes/trials/train-01.0.md"] and "first round" in files["notes/memory.md"]
    assert json.loads(files["proposal.json"])["hypothesis"] == ""
    assert all(path in instruction.split("<files>")[1] for path in files)
    assert "Look at tools." in instruction and "*.py" in instruction and "before/" not in instruction
    assert made.proposal.usage.calls == 2 and [event["kind"] for event in made.messages] == ["begin"]


def test_it_is_told_the_problem_and_goes_on_with_what_it_left() -> None:
    runs = Runs(done({"scaffold/main.py": b"(", "scaffold/junk": b"\xff"}), done({}), done({"scaffold/main.py": b"x"}))
    seen: list[Proposal] = []

    def check(proposal: Proposal) -> str | None:
        seen.append(proposal)
        return None

    made = self_improve(runs, BRIEF, 7, check)
    assert len(runs.given) == 3 and len(seen) == 1 and not made.proposal.note
    instruction, files, _ = runs.given[1]
    assert "junk is not text" in instruction and "junk is not text" in files["notes/problem.md"]
    both = runs.given[2][0].split("<refused>\n")[1].split("\n</refused>")[0].splitlines()
    assert len(both) == 2 and "junk is not text" in both[0] and "because (the scaffold changed nothing)" in both[1]
    assert "<refused>" not in runs.given[0][0]
    assert files["scaffold/main.py"] == "(" and files["before/main.py"] == FILES["main.py"]
    assert "scaffold/junk" not in files and "because" in files["proposal.json"]
    assert len({seed for _, _, seed in runs.given}) == 3
    assert made.proposal.usage.calls == 6
    assert [event.get("problem") for event in made.messages][2] == "the scaffold changed nothing"


def test_after_the_last_repair_the_note_stays() -> None:
    runs = Runs(done({"scaffold/main.py": b"x"}), done({}, problem="it has more than 9 bytes"))
    made = self_improve(runs, BRIEF, 7, lambda proposal: "it does not start")
    assert len(runs.given) == 1 + MAX_REPAIRS
    assert made.proposal.note == "what the scaffold left can't be taken: it has more than 9 bytes"
    assert runs.given[2][1]["scaffold/main.py"] == "x", "what can't be taken is not gone on with"


def taken(folder: Path) -> CollectedFiles:
    """What is read back of a folder, by the shell of this machine."""

    class Bash:
        def run(self, command: str, **more: Any) -> Any:
            return FolderWorkspace(folder).run(command.replace("/tmp/left.tar", str(folder / "left.tar")), **more)

    shell: ContainerShell = Bash()  # type: ignore[assignment]
    return collect_files(shell, str(folder), KEPT)


@pytest.fixture
def left(tmp_path: Path) -> Path:
    class Here:
        run = FolderWorkspace(tmp_path).run

    shell: ContainerShell = Here()  # type: ignore[assignment]
    unpack_archive(shell, pack_texts({**{f"scaffold/{path}": text for path, text in FILES.items()}}), str(tmp_path))
    return tmp_path


def test_what_is_put_in_comes_out(left: Path) -> None:
    (left / "elsewhere").write_text("not asked for")
    (left / "scaffold/__pycache__").mkdir()
    (left / "scaffold/__pycache__/main.pyc").write_bytes(b"x")
    (left / "scaffold/long").write_bytes(bytes(range(256)) * 1000)
    (left / "scaffold/secret").write_text("x")
    (left / "scaffold/secret").chmod(0)
    more = {"scaffold/long": bytes(range(256)) * 1000, "scaffold/secret": b"x"}
    assert taken(left) == CollectedFiles({**TIP, **more})


def test_a_scaffold_that_is_gone_is_no_fault(left: Path) -> None:
    for path in sorted((left / "scaffold").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (left / "scaffold").rmdir()
    assert taken(left) == CollectedFiles({})


def many(folder: Path) -> None:
    for number in range(MAX_COLLECTED_FILES):
        (folder / "scaffold" / str(number)).touch()


def huge(folder: Path) -> None:
    with (folder / "scaffold/huge").open("wb") as file:
        file.truncate(MAX_COLLECTED_BYTES * 500)


def pipe(folder: Path) -> None:
    FolderWorkspace(folder).run("mkfifo scaffold/pipe")


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "link to a file": (lambda folder: (folder / "scaffold/x").symlink_to("/etc/passwd"), "no regular file"),
    "link to a folder": (lambda folder: (folder / "scaffold/x").symlink_to("/"), "no regular file"),
    "link in place of the proposal": (lambda folder: (folder / "proposal.json").symlink_to("/etc/passwd"), "no reg"),
    "pipe": (pipe, "no regular file"),
    "many": (many, "files and folders"),
    "huge": (huge, "bytes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_not_taken(left: Path, name: str) -> None:
    make, problem = HOSTILE[name]
    make(left)
    found = taken(left)
    assert found.files == {} and problem in found.problem


def archive(name: str, **fields: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        member = tarfile.TarInfo(name)
        for field, value in fields.items():
            setattr(member, field, value)
        opened.addfile(member)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 2000,
        pack_texts({"scaffold/a": "x" * 5000})[:3000],
        archive("a\n\x1b[2J", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        archive("a", type=tarfile.LNKTYPE, linkname="../../etc/passwd"),
        archive("a", size=10**12),
        archive("a", type=tarfile.CHRTYPE),
    ],
)  # fmt: skip
def test_a_hostile_archive_is_told_in_one_printable_line(data: bytes) -> None:
    found = read_archive(data)
    assert found.files == {} and found.problem and found.problem.isprintable()


def test_infrastructure_errors_are_tried_again_and_what_they_spent_counts() -> None:
    answers: list[Any] = [ChargedFault(InfraError("the endpoint is gone"), Usage(1)), InfraError("again"), done({})]

    def work_once(work: SelfWork) -> SelfWorkResult:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        found: SelfWorkResult = answer
        return found

    work = SelfWork(trial_spec(), {}, KEPT)
    with Evaluator(1, pause_seconds=0.0, do_self_work=work_once) as evaluator:
        assert evaluator.run_self_work(work).usage.calls == 3
        answers[:] = [InfraError("gone")] * TRIES
        with pytest.raises(InfraError, match="gone"):
            evaluator.run_self_work(work)
