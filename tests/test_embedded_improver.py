"""The embedded model's third role: a scaffold at work on itself, by the scaffold's own tools, in a folder."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evolve.analysis import Shelf
from evolve.core.errors import RequestRefused
from evolve.core.records import FileEdit, Proposal, Usage
from evolve.embedded import complete
from evolve.embedded.improver import undo_changes
from evolve.embedded.knobs import Knobs
from evolve.loop.propose import Brief, WrittenProposal, self_improve, self_proposer
from evolve.sandbox.archive import CollectedFiles
from evolve.trial.self_work import SelfWorkResult
from tests.fakes import chat_event
from tests.test_scaffold_single import SEED, Answer, Gateway, ran, refusal
from tests.test_scaffold_team import TEAM

DIGEST = "- 2 of 28 trials passed; 26 failed.\n\n- G1: 20 of 26 failed trials gave up early with budget left"
SHELL = """
import json
import evolve_door as door

COMMAND = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
TOOL = {"type": "function", "function": {"name": "shell", "description": "Run.", "parameters": COMMAND}}
messages = [{"role": "user", "content": door.task()["instruction"]}]
while calls := (reply := door.chat(messages, [TOOL])).get("tool_calls"):
    messages.append(reply)
    for call in calls:
        result = door.run(json.loads(call["function"]["arguments"])["command"])
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": result.stdout + result.stderr})
"""


def texts(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


class Workshop:
    """Runs a scaffold on files in a folder, with the embedded model behind its door."""

    def __init__(self, folder: Path, scaffold: Path) -> None:
        self.folder, self.scaffold, self.calls, self.runs = folder, scaffold, 0, 0

    def __call__(self, instruction: str, files: Mapping[str, str], seed: int) -> SelfWorkResult:
        self.runs += 1
        place = self.folder / str(self.runs)
        for path, text in files.items():
            (place / "app" / path).parent.mkdir(parents=True, exist_ok=True)
            (place / "app" / path).write_text(text)
        events: list[dict[str, Any]] = []

        def model(body: dict[str, Any], index: int) -> Answer:
            try:
                answer = complete({**body, "model": "embedded", "seed": seed + index & 0x7FFFFFFF})
            except RequestRefused as error:
                return refusal(error.status, error.code)
            events.append(chat_event(body["messages"], answer))
            return 200, answer

        gateway = Gateway(place / "app", model, 60, instruction)
        ended = ran(gateway, place / "s", self.scaffold)
        assert ended.returncode == 0, ended.stderr
        self.calls += len(gateway.requests)
        left = {path: text.encode() for path, text in texts(place / "app").items() if not path.startswith("notes/")}
        return SelfWorkResult(CollectedFiles(left), tuple(events), Usage(len(events)))


def improved(folder: Path, scaffold: Path, seed: int, check: Any = lambda proposal: None) -> WrittenProposal:
    brief = Brief(texts(scaffold), ("*.py", "*.md", "settings.toml"), DIGEST, "", Shelf([]), {"G1": ["alpha"]})
    return self_improve(Workshop(folder, scaffold), brief, seed, check)


@pytest.fixture
def shell_scaffold(tmp_path: Path) -> Path:
    folder = tmp_path / "shell"
    folder.mkdir()
    (folder / "main.py").write_text(SHELL)
    (folder / "scaffold.toml").write_text('name = "shell"\nentry = "main.py"\nevolvable = ["*.py"]\n')
    return folder


@pytest.mark.parametrize("scaffold", [SEED, pytest.param(TEAM, marks=pytest.mark.slow)], ids=lambda path: path.name)
def test_most_requests_end_with_a_patch_and_a_hypothesis(tmp_path: Path, scaffold: Path) -> None:
    proposals = [improved(tmp_path / str(seed), scaffold, 1000 * seed).proposal for seed in range(6)]
    assert sum(bool(proposal.edits) for proposal in proposals) >= 5
    assert sum(proposal.prediction != self_proposer.NOT_GIVEN for proposal in proposals if proposal.edits) >= 5
    assert len({proposal.hypothesis for proposal in proposals}) >= 4, "another seed, another idea"
    assert any(proposal.fixes == ("alpha",) for proposal in proposals)


def test_a_shell_is_enough(tmp_path: Path, shell_scaffold: Path) -> None:
    proposals = [improved(tmp_path / str(seed), shell_scaffold, 1000 * seed).proposal for seed in range(4)]
    assert sum(bool(proposal.edits) for proposal in proposals) >= 3
    assert all(proposal.prediction != self_proposer.NOT_GIVEN for proposal in proposals)


def test_the_answer_depends_only_on_the_request(tmp_path: Path) -> None:
    one, other = (improved(tmp_path / name, SEED, 5) for name in ("a", "b"))
    assert one == other


def test_after_a_refusal_it_changes_the_original_files_again(tmp_path: Path) -> None:
    seen: list[Proposal] = []

    def check(proposal: Proposal) -> str | None:
        seen.append(proposal)
        return "it repeats the idea of round 1" if len(seen) < 3 else None

    made = improved(tmp_path, SEED, 2000, check)
    assert len(seen) == 3 and not made.proposal.note
    first, last = ({edit.path for edit in one.edits} for one in (seen[0], seen[-1]))
    assert seen[0].hypothesis != seen[-1].hypothesis
    before = texts(SEED)
    kept = [path for path in first - last if FileEdit(path, before.get(path)) in made.proposal.edits]
    assert not kept, "what the refused change had done is undone"


@pytest.mark.slow
def test_a_refused_idea_is_not_drawn_again_in_the_round(tmp_path: Path) -> None:
    told = 0
    for seed in range(6):
        made: list[str] = []

        def check(proposal: Proposal, made: list[str] = made) -> str:
            made.append(proposal.hypothesis)
            return "it repeats the idea of round 1"

        assert improved(tmp_path / str(seed), SEED, 1000 * seed, check).proposal.note
        assert len(made) == len(set(made))
        told += len(made)
    assert told >= 3 * 6, "few of the four tries in each change nothing at all"


@pytest.mark.slow
def test_a_refused_change_is_undone_even_if_files_are_shown_in_part(tmp_path: Path) -> None:
    """The first change is longer or shorter than what it takes the place of, so that the ends shown differ."""
    cut = tmp_path / "cut"
    shutil.copytree(SEED, cut, ignore=shutil.ignore_patterns("__pycache__"))
    tools = (cut / "tools.py").read_text()
    (cut / "tools.py").write_text(tools.replace("return door.read(path)", "return door.read(path)[:1500]"))
    changed_back = 0
    for seed in range(16):
        seen: list[Proposal] = []

        def check(proposal: Proposal, seen: list[Proposal] = seen) -> str | None:
            seen.append(proposal)
            return "it repeats the idea of round 1" if len(seen) == 1 else None

        improved(tmp_path / str(seed), cut, 1000 * seed, check)
        first, last = ({edit.path: edit.text for edit in one.edits} for one in (seen[0], seen[-1]))
        if len(seen) < 2 or "main.py" not in first or "can be simpler" in seen[-1].hypothesis:
            continue
        changed_back += 1
        assert first != last
        ast.parse(last.get("main.py") or "")
    assert changed_back >= 3


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        ("a\nX\nb\nc", "a\nxx\nb\n", "a\nxx\nb\nc"),
        ("a\nxx\nb", "a\nX\nb\nc", "a\nX\nb"),
        ("a\nX\nb\nc", "a\nxx\nb\ncc", "a\nxx\nb\nc"),
        ("X\n", "a\nb", "a\nb"),
        ("a\nb", "a\nb", "a\nb"),
    ],
)
def test_undo_changes_keeps_the_text_after_the_last_shared_lines(now: str, before: str, text: str) -> None:
    assert undo_changes(now, before) == text


def request(*messages: dict[str, Any], tools: tuple[str, ...] = ("submit",)) -> dict[str, Any]:
    offered = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in tools]
    return {"model": "embedded", "messages": list(messages), "tools": offered, "seed": 3}


def test_without_a_tool_that_writes_it_submits() -> None:
    body = request({"role": "user", "content": "<improve-scaffold>\n<files>\na\n</files>"}, tools=("submit_plan",))
    message = complete(body)["choices"][0]["message"]
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["submit_plan"]


def test_this_role_has_the_proposers_context() -> None:
    room = Knobs().context_chars
    long = {"role": "user", "content": "<improve-scaffold>" + "x" * 2 * room}
    assert complete(request(long))["choices"]


def test_the_task_selects_the_role_and_tool_results_do_not() -> None:
    said = {"role": "assistant", "content": None, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "list_files", "arguments": "{}"}}
    ]}  # fmt: skip
    shown = {"role": "tool", "tool_call_id": "c", "content": "<improve-scaffold>"}
    task = {"role": "user", "content": "Mend it."}
    answers = [
        complete(request(task, said, {**shown, "content": text}, tools=("list_files",)))["choices"][0]["message"]
        for text in ("<improve-scaffold>", "nothing")
    ]
    assert answers[0] == answers[1]


def test_after_an_attempt_without_changes_it_reads_one_file_at_a_time() -> None:
    files = "scaffold/a.py\nscaffold/b.py\nnotes/digest.md\nproposal.json"
    told = "<improve-scaffold>\n{}\n<files>\n" + files + "\n</files>"
    tools = ("read_file", "edit", "submit")

    def reads(problem: str) -> set[int]:
        messages = {"role": "user", "content": told.format(problem)}
        body = request(messages, tools=tools)
        body["tools"][1]["function"]["parameters"] = {"properties": {"path": {}, "old": {}, "new": {}}}
        return {len(complete({**body, "seed": n})["choices"][0]["message"]["tool_calls"]) for n in range(30)}

    assert reads("") == {1, 4}
    assert reads("<problem>\nthe scaffold changed nothing\n</problem>") == {1}
