"""Conversations that end in a proposal: what is asked, looked up, mended and kept."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve import embedded
from evolve.analysis import Shelf, analyse_trials, task_labels
from evolve.core.errors import InfraError, RequestRefused
from evolve.core.records import FileEdit, ModelSpec, Proposal, Usage
from evolve.loop.propose import MAX_REPAIRS, MAX_TURNS, Brief, WrittenProposal, direct, emphases, prompt_digest
from evolve.loop.propose.answer import MAX_CHARS
from evolve.loop.propose.brief import opening, tools
from evolve.loop.propose.fitting import SHOWN_FILES_CHARS
from tests.fakes import ScriptedModel, completion, result, tool_call
from tests.test_analysis import asked, document

FILES = {"agent.py": "one = 1\ntwo = 2\ntwo = 2\n", "prompts/system.md": "Be $brief.\n"}
SPEC = ModelSpec("scripted", prompt_price=1.0, completion_price=2.0)
TRIALS = analyse_trials([(result("alpha", 0.0), document(asked(content="I am stuck")))], task_labels(["alpha"]))
MEANINGS = {"G1": ["alpha", "beta"], "train-01": ["alpha"], "train-02": ["beta"]}
GOOD = [("agent.py", "one = 1", "one = 11")]


def brief(files: dict[str, str] = FILES, memory: str = "") -> Brief:
    return Brief(files, ("*.py", "prompts/*"), "3 of 4 failed ${x}", memory, Shelf(TRIALS), MEANINGS)


def held(
    *answers: Any, check: Any = lambda proposal: None, files: dict[str, str] = FILES
) -> tuple[WrittenProposal, ScriptedModel]:
    """A whole conversation with these answers."""
    model = ScriptedModel(*answers)
    return direct(model, SPEC, brief(files), 1, check), model


def offers(*edits: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    return completion(None, tool_call("propose", {**arguments(*edits), **more}))


def arguments(*edits: tuple[str, str, str]) -> dict[str, Any]:
    made = [{"path": path, "old": old, "new": new} for path, old, new in edits]
    return {"hypothesis": "it is short", "prediction": "it gets longer", "edits": made}


def proposed(*edits: tuple[str, str, str], files: dict[str, str] = FILES) -> Proposal:
    return held(offers(*edits), files=files)[0].proposal


def answered(content: str | None, *calls: dict[str, Any]) -> Proposal:
    """By a model that says the same for ever."""
    return held(completion(content, *calls))[0].proposal


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
    assert made.note == (
        "the model proposed nothing" if not calls else f"no proposal within {MAX_TURNS} calls of the model"
    )
    assert made.edits == () and made.usage.calls == (1 + MAX_REPAIRS if not calls else MAX_TURNS)


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
    assert made.usage.calls == 1 + MAX_REPAIRS


def test_a_call_without_a_function_is_passed_over() -> None:
    assert answered(None, {"id": "1", "type": "custom"}).note == "the model proposed nothing"


def test_a_refused_request_is_a_note() -> None:
    refused = RequestRefused(400, "context_length_exceeded", "too long")
    made, _ = held(refused)
    assert made.proposal == Proposal("", "", (), Usage(calls=1), "the model refused: too long")


def test_a_fault_of_the_endpoint_is_raised() -> None:
    with pytest.raises(InfraError):
        held(InfraError("down"))


def test_the_first_request_shows_all_and_offers_the_tools() -> None:
    model = ScriptedModel(offers(*GOOD))
    told = replace(brief(memory="round 1 revert: it was long"), emphasis=emphases()[0])
    direct(model, SPEC, told, 2**40 + 5, lambda proposal: None)
    request = model.requests[0]
    text = "".join(message["content"] for message in request["messages"])
    shown = (
        '<file path="agent.py">\none = 1',
        "Be $brief.",
        "3 of 4 failed ${x}",
        "round 1 revert",
        "*.py",
        emphases()[0],
    )
    assert all(part in text for part in shown)
    assert "$files" not in text
    named = [tool["function"]["name"] for tool in request["tools"]]
    assert named == ["read_trial", "search_trials", "read_file", "propose"]
    assert (request["model"], request["seed"]) == ("scripted", 5)
    assert json.dumps(request)


def test_files_that_are_too_long_are_named_alone() -> None:
    text = opening(brief({**FILES, "long.txt": "x" * SHOWN_FILES_CHARS}))[1]["content"]
    assert "Too long to be shown here: long.txt" in text and "xxx" not in text


def test_trials_and_files_are_looked_up_before_a_proposal() -> None:
    look = [
        tool_call("read_trial", {"trial": "train-01.0"}, "1"),
        tool_call("search_trials", {"words": "stuck"}, "2"),
        tool_call("read_file", {"path": "agent.py"}, "3"),
        tool_call("read_file", {"path": "none"}, "4"),
        tool_call("read_trial", "{oops", "5"),
        tool_call("guess", {}, "6"),
    ]
    made, model = held(completion(None, *look), offers(*GOOD))
    assert made.proposal.edits and not made.proposal.note
    assert made.proposal.usage == Usage(2, 20, 20, 6e-5, 0)
    told = {m["tool_call_id"]: m["content"] for m in model.requests[1]["messages"] if m["role"] == "tool"}
    assert "[agent] I am stuck" in told["1"]
    assert told["2"].startswith("train-01.0 step 2: ")
    assert told["3"] == FILES["agent.py"]
    assert told["4"].startswith("error: there is no file none; there are: agent.py")
    assert told["5"].startswith("error: malformed arguments")
    assert told["6"] == "error: there is no tool guess"


def test_what_is_wrong_is_told_and_may_be_mended() -> None:
    bad = offers(("agent.py", "nowhere", "x"))
    made, model = held(bad, offers(*GOOD))
    assert made.proposal.edits == (FileEdit("agent.py", "one = 11\ntwo = 2\ntwo = 2\n"),)
    assert made.proposal.note == "" and made.proposal.usage.calls == 2
    repair = model.requests[1]["messages"][-1]
    assert repair["role"] == "tool" and repair["tool_call_id"] == "call_1"
    assert "does not apply" in repair["content"] and "3 more attempts" in repair["content"]
    assert model.requests[0]["seed"] != model.requests[1]["seed"]


def test_calls_that_the_host_adds_change_no_seed() -> None:
    class Checked(ScriptedModel):
        def complete(self, body: Any, on_lost: Any = None) -> dict[str, Any]:
            on_lost(Usage(calls=1, prompt_tokens=7))
            return super().complete(body)

    answers = (offers(("agent.py", "nowhere", "x")), offers(*GOOD))
    (plain, asked), checked = held(*answers), Checked(*answers)
    made = direct(checked, SPEC, brief(), 1, lambda proposal: None)
    assert checked.requests == asked.requests and made.proposal.edits == plain.proposal.edits
    assert made.proposal.usage.calls == plain.proposal.usage.calls + 2


def test_the_check_is_asked_and_its_reason_told() -> None:
    seen = []

    def check(proposal: Proposal) -> str | None:
        seen.append(proposal)
        return "it does not start" if len(seen) < 3 else None

    made, model = held(offers(*GOOD), check=check)
    assert made.proposal.note == "" and len(model.requests) == 3
    assert "it does not start" in model.requests[-1]["messages"][-1]["content"]


def test_repairs_come_to_an_end_and_the_last_proposal_is_kept_with_its_reason() -> None:
    made, model = held(offers(*GOOD), check=lambda proposal: "it is forbidden")
    assert len(model.requests) == 1 + MAX_REPAIRS
    assert made.proposal.note == "it is forbidden"
    assert made.proposal.hypothesis == "it is short" and made.proposal.edits


def test_silence_is_answered_too() -> None:
    made, model = held(completion("Let me think."), offers(*GOOD))
    assert not made.proposal.note
    assert model.requests[1]["messages"][-1]["role"] == "user"


def test_a_conversation_that_grows_too_long_goes_on_without_what_was_looked_up() -> None:
    look = tool_call("read_file", {"path": "long.md"}, "1")
    long = {**FILES, "long.md": "word " * 500}
    refused = RequestRefused(400, "context_length_exceeded", "too long")
    made, model = held(completion(None, look), refused, offers(*GOOD), files=long)
    assert not made.proposal.note
    assert model.requests[2]["messages"][-1]["content"].startswith("(dropped")


def test_a_prediction_is_in_groups_tasks_and_trials() -> None:
    made, _ = held(offers(*GOOD, fixes=["G1", "train-01.3", "nonsense", 7], may_break="train-02"))
    assert (made.proposal.fixes, made.proposal.breaks) == (("alpha", "beta"), ("beta",))
    for odd in (None, 3, {"a": 1}):
        assert held(offers(*GOOD, fixes=odd))[0].proposal.fixes == ()


def test_the_conversation_is_handed_out_whole() -> None:
    made, model = held(completion(None, tool_call("read_file", {"path": "agent.py"}, "1")), offers(*GOOD))
    assert [message["role"] for message in made.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert list(made.messages[:4]) == model.requests[1]["messages"]


def test_the_embedded_model_mends_what_it_is_told_of() -> None:
    class Embedded:
        def complete(self, body: Any, on_lost: Any = None) -> dict[str, Any]:
            return embedded.complete(body)

    files = {"main.py": "STEPS = 30\nfor step in range(STEPS):\n    print(step + 1)\n"}
    seen: list[Proposal] = []

    def check(proposal: Proposal) -> str | None:
        seen.append(proposal)
        return None if len(seen) > 1 else "it repeats the idea of round 7"

    made = direct(Embedded(), ModelSpec("embedded"), brief(files), 3, check)
    assert len(seen) == 2 and not made.proposal.note
    assert seen[0].edits != seen[1].edits


def test_each_tool_has_a_name_and_parameters() -> None:
    for tool in [*tools(), *tools("lesson_tool.json")]:
        assert tool["function"]["name"] and tool["function"]["parameters"]["required"]


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
    assert made.hypothesis.startswith("??xx") and len(made.hypothesis) == MAX_CHARS
    assert made.prediction == "{}"
    note = answered(None, tool_call("propose", "[" + "x" * 10**6)).note
    assert 0 < len(note) <= MAX_CHARS


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
