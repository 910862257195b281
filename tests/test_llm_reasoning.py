"""Reasoning: taken out of requests where the model does not want it back, told apart in trajectories."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.errors import RequestRefused
from evolve.core.records import ModelSpec, Usage
from evolve.llm import fit_to_window, highest_usage, prompt_of, usage_of
from evolve.llm.client import OpenAIModel
from evolve.llm.outgoing import adapted_request
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


THOUGHT = "hm, " * 10_000
THINKING = {"role": "assistant", "content": f"<think>{THOUGHT}</think>yes", "reasoning_content": THOUGHT}
ASKED = {"role": "user", "content": "go on"}


@pytest.mark.parametrize("message", [THINKING, {**THINKING, "tool_calls": [CALL]}])
@pytest.mark.parametrize("keep", [False, True])
def test_what_is_not_sent_is_neither_counted_nor_reserved(message: dict[str, Any], keep: bool) -> None:
    spec, body = ModelSpec("m", keep_reasoning=keep), {"messages": [message, ASKED], "max_tokens": 10}
    sent = json.dumps(adapted_request(body, spec)["messages"])
    assert (THOUGHT in sent) is keep
    unreported = {"choices": [], "usage": None}
    for counted in (
        prompt_of(body, spec).unknown,
        highest_usage(body, spec).prompt_tokens,
        4 * usage_of(unreported, spec, body).prompt_tokens,
    ):
        assert (counted > 2 * len(THOUGHT)) is keep
        assert counted < 3_000 or keep


def test_reasoning_that_is_not_sent_does_not_fill_the_context_window() -> None:
    body = {"messages": [THINKING, ASKED], "max_tokens": 500}
    assert fit_to_window(body, ModelSpec("m", context_tokens=1000))["max_tokens"] == 500
    with pytest.raises(RequestRefused, match="context window"):
        fit_to_window(body, ModelSpec("m", context_tokens=1000, keep_reasoning=True))


@pytest.mark.parametrize("api", ["responses", "messages"])
def test_other_apis_count_what_they_send(api: str) -> None:
    spec = ModelSpec("m", api=api)
    assert prompt_of({"messages": [{**THINKING, "content": "yes"}, ASKED]}, spec).unknown < 3_000
    for message in ({**THINKING, "content": "yes", "tool_calls": [CALL]}, {"role": "assistant", "content": THOUGHT}):
        assert prompt_of({"messages": [message, ASKED]}, spec).unknown > len(THOUGHT)


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4), st.booleans())
def test_the_reservation_never_falls_below_what_is_sent(thoughts: list[str], keep: bool) -> None:
    spec = ModelSpec("m", keep_reasoning=keep)
    said = [{"role": "assistant", "content": f"<think>{text}</think>{text}", "reasoning": text} for text in thoughts]
    sent = adapted_request({"messages": [*said, ASKED]}, spec)
    size = len(json.dumps(sent["messages"], ensure_ascii=False, separators=(",", ":")).encode())
    assert prompt_of({"messages": [*said, ASKED]}, spec).unknown >= size
