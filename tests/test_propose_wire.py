"""The proposer over the real protocol: a server process, the real client, whole conversations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evolve.core.records import Proposal
from evolve.llm import open_model
from evolve.loop.propose import WrittenProposal, direct
from tests.fakes import tool_call
from tests.test_propose import GOOD, arguments, brief
from tests.upstream import Upstream, refuses, says, streams

LOOK = tool_call("search_trials", {"words": "stuck"}, "call_look")
FAR = tool_call("propose", arguments(("agent.py", "nowhere", "x")), "call_far")
NEAR = tool_call("propose", arguments(*GOOD), "call_near")
ANSWERS = (
    says("I look first.", LOOK, reasoning="where are they stuck?"),
    says(None, FAR, reasoning="this line"),
    says(None, NEAR, reasoning="no, that one"),
)


def held(upstream: Upstream, *answers: Any, check: Any = lambda proposal: None, **spec: Any) -> WrittenProposal:
    upstream.script(*answers)
    model = upstream.spec(**spec)
    return direct(open_model(model), model, brief(), 1, check)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("keep_reasoning", [False, True])
def test_a_conversation_reads_is_mended_and_ends_in_a_patch(
    upstream: Upstream, stream: bool, keep_reasoning: bool
) -> None:
    made = held(upstream, *ANSWERS, stream=stream, keep_reasoning=keep_reasoning)
    assert [edit.path for edit in made.proposal.edits] == ["agent.py"] and not made.proposal.note
    assert made.proposal.usage.calls == 3 and made.proposal.usage.prompt_tokens == 30
    last = upstream.bodies()[-1]["messages"]
    assert [message["role"] for message in last] == ["system", "user", "assistant", "tool", "assistant", "tool"]
    assert "train-01.0 step 2" in last[3]["content"] and "does not apply" in last[5]["content"]
    thought = [message.get("reasoning_content") for message in last if message["role"] == "assistant"]
    assert thought == (["where are they stuck?", "this line"] if keep_reasoning else [None, None])
    assert all(bool(body.get("stream")) is stream for body in upstream.bodies())


def test_thinking_in_the_text_goes_back_where_it_is_wanted(upstream: Upstream) -> None:
    answers = (says("<think>hm</think>I look.", LOOK), says(None, NEAR))
    for keep, said in ((True, "<think>hm</think>I look."), (False, "I look.")):
        held(upstream, *answers, keep_reasoning=keep)
        assert upstream.bodies()[-1]["messages"][2]["content"] == said


def test_a_model_without_tools_is_told_of_them_in_text(upstream: Upstream) -> None:
    def text(call: dict[str, Any]) -> str:
        made = {"name": call["function"]["name"], "arguments": json.loads(call["function"]["arguments"])}
        return f"Well.\n<tool_call>\n{json.dumps(made)}\n</tool_call>"

    made = held(upstream, *(says(text(call)) for call in (LOOK, FAR, NEAR)), text_tools=True)
    assert made.proposal.edits and not made.proposal.note
    bodies = upstream.bodies()
    assert len(bodies) == 3 and all("tools" not in body for body in bodies)
    assert "search_trials" in bodies[0]["messages"][0]["content"]
    assert "does not apply" in bodies[2]["messages"][-1]["content"]


def test_a_stream_that_breaks_off_is_asked_again_and_counts_once(upstream: Upstream) -> None:
    made = held(upstream, streams(end=None), says(None, NEAR), stream=True)
    assert made.proposal.edits and made.proposal.usage.calls == 1


def test_a_check_that_never_passes_ends_after_three_repairs(upstream: Upstream) -> None:
    seen: list[Proposal] = []

    def check(proposal: Proposal) -> str:
        seen.append(proposal)
        return "it does not start: NameError"

    made = held(upstream, says(None, NEAR), check=check)
    assert len(seen) == len(upstream.bodies()) == 4
    assert made.proposal.note == "it does not start: NameError"
    assert upstream.bodies()[-1]["messages"][-1]["content"].startswith("The proposal can't be used: it does not start")


def test_a_request_that_is_refused_ends_the_conversation(upstream: Upstream) -> None:
    made = held(upstream, says(None, LOOK), refuses(400, "invalid_request", "no such parameter"))
    assert made.proposal.note.startswith("the model refused: ") and "no such parameter" in made.proposal.note


def test_a_conversation_that_is_too_long_goes_on_without_what_was_read(upstream: Upstream) -> None:
    look = tool_call("read_file", {"path": "long.md"}, "call_long")
    upstream.script(says(None, look), refuses(400, "context_length_exceeded"), says(None, NEAR))
    spec = upstream.spec()
    long = brief({"agent.py": "one = 1\n", "long.md": "word " * 500})
    made = direct(open_model(spec), spec, long, 1, lambda proposal: None)
    assert made.proposal.edits
    assert upstream.bodies()[-1]["messages"][-1]["content"].startswith("(dropped")
