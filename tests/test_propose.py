"""From the model's answer to a proposal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.errors import InfraError, RequestRefused
from evolve.propose import MAX_WORDS, Brief, direct, prompt_digest, request
from evolve.records import FileEdit, ModelSpec, Proposal, Usage
from tests.fakes import ScriptedModel, completion, tool_call

FILES = {"agent.py": "one = 1\ntwo = 2\ntwo = 2\n", "prompts/system.md": "Be $brief.\n"}
SPEC = ModelSpec("scripted", prompt_price=1.0, completion_price=2.0)


def brief(files: dict[str, str] = FILES, memory: tuple[str, ...] = ()) -> Brief:
    return Brief(files, ("*.py", "prompts/*"), "3 of 4 failed ${x}", memory)


def arguments(*edits: tuple[str, str, str]) -> dict[str, Any]:
    made = [{"path": path, "old": old, "new": new} for path, old, new in edits]
    return {"hypothesis": "it is short", "prediction": "it gets longer", "edits": made}


def proposed(*edits: tuple[str, str, str], files: dict[str, str] = FILES) -> Proposal:
    model = ScriptedModel(completion(None, tool_call("propose", arguments(*edits))))
    return direct(model, SPEC, brief(files), 1)


def answered(content: str | None, *calls: dict[str, Any]) -> Proposal:
    return direct(ScriptedModel(completion(content, *calls)), SPEC, brief(), 1)


def test_an_edit_replaces_its_only_match() -> None:
    made = proposed(("agent.py", "one = 1", "one = 11"))
    assert made.edits == (FileEdit("agent.py", "one = 11\ntwo = 2\ntwo = 2\n"),)
    assert (made.hypothesis, made.prediction, made.note) == ("it is short", "it gets longer", "")
    assert made.usage == Usage(1, 10, 10, 3e-5, 0)


def test_edits_of_one_file_build_on_each_other() -> None:
    made = proposed(("agent.py", "one = 1", "three = 3"), ("agent.py", "three = 3\n", ""))
    assert made.edits == (FileEdit("agent.py", "two = 2\ntwo = 2\n"),)


def test_an_empty_old_is_the_whole_file_new_or_not() -> None:
    made = proposed(("agent.py", "", "pass\n"), ("more.py", "", "x = 1\n"))
    assert made.edits == (FileEdit("agent.py", "pass\n"), FileEdit("more.py", "x = 1\n"))


def test_an_edit_that_changes_nothing_is_no_edit() -> None:
    assert proposed(("agent.py", "one = 1", "one = 1")).edits == ()


@pytest.mark.parametrize(
    ("path", "old", "times"), [("agent.py", "nowhere", 0), ("agent.py", "two = 2", 2), ("gone.py", "x", 0)]
)
def test_an_edit_that_does_not_apply_is_named_and_the_rest_kept(path: str, old: str, times: int) -> None:
    made = proposed((path, old, "y"), ("agent.py", "one = 1", "one = 11"), ("also.py", "missing", ""))
    assert made.note == f"the edit of {path} does not apply: its `old` text occurs {times} times"
    assert made.hypothesis == "it is short"
    assert [edit.path for edit in made.edits] == ["agent.py"]


@pytest.mark.parametrize("calls", [[], [tool_call("other", {})]])
def test_an_answer_without_the_tool_is_no_proposal(calls: list[dict[str, Any]]) -> None:
    made = answered("I would rather talk", *calls)
    assert made == Proposal("", "", (), Usage(1, 10, 10, 3e-5, 0), "the model proposed nothing")


@pytest.mark.parametrize(
    "text",
    [
        "{oops",
        "[]",
        "3",
        "null",
        "[" * 100_000,
        '{"hypothesis": "h", "prediction": "p"}',
        '{"hypothesis": "h", "prediction": "p", "edits": null}',
        '{"hypothesis": "h", "prediction": "p", "edits": "all"}',
        '{"hypothesis": "h", "prediction": "p", "edits": {"path": "a"}}',
        '{"hypothesis": "h", "prediction": "p", "edits": [{"path": "a"}]}',
        '{"prediction": "p", "edits": []}',
    ],
)
def test_malformed_arguments_make_a_note(text: str) -> None:
    made = answered(None, tool_call("propose", text))
    assert made.note.startswith("the model's proposal is malformed: ")
    assert "\n" not in made.note
    assert made.edits == ()
    assert made.usage.calls == 1


def test_a_call_without_a_function_is_passed_over() -> None:
    assert answered(None, {"id": "1", "type": "custom"}).note == "the model proposed nothing"


def test_a_refused_request_is_a_note() -> None:
    refused = RequestRefused(400, "context_length_exceeded", "too long")
    made = direct(ScriptedModel(refused), SPEC, brief(), 1)
    assert made == Proposal("", "", (), Usage(calls=1), "the model refused: too long")


def test_a_fault_of_the_endpoint_is_raised() -> None:
    with pytest.raises(InfraError):
        direct(ScriptedModel(InfraError("down")), SPEC, brief(), 1)


def test_the_request_shows_all_and_asks_for_the_tool() -> None:
    made = request(SPEC, brief(memory=("round 1 revert: it was long",)), 2**40 + 5)
    text = "".join(message["content"] for message in made["messages"])
    for part in (
        '<file path="agent.py">\none = 1',
        "Be $brief.",
        "3 of 4 failed ${x}",
        "round 1 revert",
        "*.py",
    ):
        assert part in text
    assert "$files" not in text
    assert [tool["function"]["name"] for tool in made["tools"]] == ["propose"]
    assert made["model"] == "scripted"
    assert made["seed"] == 5
    assert json.dumps(made)


def test_the_prompts_have_a_digest() -> None:
    assert len(prompt_digest()) == 64


@settings(max_examples=50, deadline=None)
@given(st.text("ab\n", max_size=8), st.text("ab\n", max_size=4), st.text("ab\nc", max_size=4))
def test_an_edit_applies_exactly_where_it_occurs_once(text: str, old: str, new: str) -> None:
    made = proposed(("f", old, new), files={"f": text})
    wanted = new if not old else text.replace(old, new) if text.count(old) == 1 else text
    assert {"f": text} | {edit.path: edit.text for edit in made.edits} == {"f": wanted}
    assert bool(made.note) == (bool(old) and text.count(old) != 1)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_texts_come_through_as_they_are(old: str, new: str) -> None:
    made = proposed(("f", "", new), files={"f": old})
    assert made.edits == (() if old == new else (FileEdit("f", new),))


def test_what_a_model_says_is_bounded_and_whole() -> None:
    made = answered(
        None, tool_call("propose", {**arguments(), "hypothesis": "\ud800\0" + "x" * 10**6, "prediction": {}})
    )
    assert made.hypothesis.startswith("??xx") and len(made.hypothesis) == MAX_WORDS
    assert made.prediction == "{}"
    note = answered(None, tool_call("propose", "[" + "x" * 10**6)).note
    assert 0 < len(note) <= MAX_WORDS


@pytest.mark.parametrize("where", [0, 2])
def test_a_patch_with_half_a_character_is_unusable(where: int) -> None:
    edit = ["new.md", "", "text"]
    edit[where] = "\ud800"
    made = proposed((edit[0], edit[1], edit[2]))
    assert made.edits == () and "malformed" in made.note


def test_a_huge_patch_is_not_kept() -> None:
    made = proposed(*((f"{number}.md", "", "x" * 200_000) for number in range(6)))
    assert made.edits == () and "characters" in made.note


@pytest.mark.parametrize("call", ["x", None, {}, {"function": None}, {"function": {"name": ["propose"]}}])
def test_calls_of_no_form_are_unusable(call: Any) -> None:
    assert answered(None, call).note
