"""Reasoning: taken out of requests where the model does not want it back, told apart in trajectories."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import Usage
from evolve.llm.client import OpenAIModel
from evolve.llm.reasoning import split_reasoning, split_thinking, without_reasoning
from evolve.trial import trajectory
from tests.fakes import chat_event, completion, tool_call, trial_spec
from tests.upstream import Upstream, says

USER = {"role": "user", "content": "<think>mine</think>hi", "reasoning": "kept"}
CALL = tool_call("look", {})


@pytest.mark.parametrize(
    ("text", "thought", "said"),
    [
        ("plain", "", "plain"),
        ("", "", ""),
        ("<think>hm</think>yes", "hm", "yes"),
        ("\n<think>\nhm\n</think>\n\nyes\n", "hm", "yes\n"),
        ("<think></think>yes", "", "yes"),
        ("<think>a</think>\n<think>b</think>yes", "a\n\nb", "yes"),
        ("<mm:think>hm</mm:think>yes", "hm", "yes"),
        ("<think>cut off in the mid", "cut off in the mid", ""),
        ("<think>", "", ""),
        ("see <think>hm</think>", "", "see <think>hm</think>"),
        ("no end alone </think>", "", "no end alone </think>"),
        ("<think>a <think> b</think>c", "a <think> b", "c"),
    ],
)
def test_a_block_at_the_beginning_is_reasoning(text: str, thought: str, said: str) -> None:
    assert split_thinking(text) == (thought, said)


@given(st.text(), st.text())
def test_the_answer_itself_is_never_changed(thought: str, said: str) -> None:
    thought, said = thought.replace("<", "("), said.replace("<", "(").lstrip()
    assert split_thinking(f"<think>{thought}</think>\n\n{said}") == (thought.strip(), said)
    assert split_thinking(said) == ("", said)


def test_messages_lose_their_reasoning_and_nothing_else() -> None:
    fields = {"reasoning_content": "a", "reasoning": "b", "reasoning_details": [{"text": "c"}]}
    said = {"role": "assistant", "content": "<think>d</think>yes", "tool_calls": [CALL], "name": "x", **fields}
    assert without_reasoning(said) == {"role": "assistant", "content": "yes", "tool_calls": [CALL], "name": "x"}
    parts = [{"type": "text", "text": "<think>d</think>yes"}, {"type": "text", "text": "<think>"}]
    assert without_reasoning({"role": "assistant", "content": parts})["content"] == [
        {"type": "text", "text": "yes"},
        {"type": "text", "text": "<think>"},
    ]
    for other in (USER, "no message", {"role": "assistant", "content": None, "tool_calls": [CALL]}):
        assert without_reasoning(other) == other


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_only_models_that_want_their_reasoning_get_it_back(upstream: Upstream, keep: bool, stream: bool) -> None:
    upstream.script(says("<think>first</think>yes", CALL, reasoning="hm"), says("done"))
    model = OpenAIModel(upstream.spec(keep_reasoning=keep, stream=stream))
    reply = model.complete({"model": "m", "messages": [USER]})["choices"][0]["message"]
    assert (reply["reasoning_content"], reply["content"]) == ("hm", "<think>first</think>yes")
    result = {"role": "tool", "tool_call_id": "call_1", "content": "<think>theirs</think>"}
    asked = {"model": "m", "messages": [USER, reply, result]}
    model.complete(asked)
    plain = {"role": "assistant", "content": "yes", "tool_calls": [CALL]}
    assert upstream.bodies()[1]["messages"] == [USER, reply if keep else plain, result]
    assert asked["messages"][1] is reply and "reasoning_content" in reply


@pytest.mark.parametrize(
    ("fields", "thought", "said"),
    [
        ({"content": "yes", "reasoning_content": "hm"}, "hm", "yes"),
        ({"content": "yes", "reasoning": "hm", "reasoning_details": [{"text": "h"}, {"text": "m"}]}, "hm", "yes"),
        ({"content": "yes", "reasoning_details": [{"summary": "hm"}, {"data": "secret"}, 3]}, "hm", "yes"),
        ({"content": "<think>hm</think>yes"}, "hm", "yes"),
        ({"content": "<think>cut off"}, "cut off", ""),
        ({"content": "<think>b</think>yes", "reasoning_content": "a"}, "a\n\nb", "yes"),
        ({"content": "yes"}, "", "yes"),
    ],
)
def test_a_trajectory_separates_reasoning_from_the_answer(fields: dict[str, Any], thought: str, said: str) -> None:
    answer = completion(None)
    answer["choices"][0]["message"] = {"role": "assistant", **fields}
    copied = chat_event([{"role": "user", "content": "hi"}, answer["choices"][0]["message"]], completion("next"))
    first, *_ = trajectory.build(trial_spec(), [chat_event([], answer)], Usage(), "")["steps"]
    _, step, _ = trajectory.build(trial_spec(), [copied], Usage(), "")["steps"]
    for made in (first, step):
        assert (made.get("reasoning_content", ""), made["message"]) == (thought, said)
    assert split_reasoning(answer["choices"][0]["message"]) == (thought, said)
    assert step["is_copied_context"] and "is_copied_context" not in first
