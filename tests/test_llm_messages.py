"""The Messages API: requests and answers in the form of chat completions, over the real client and a real server."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic.types import Message, MessageParam, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from evolve.core.errors import AccountError, BadInput, EndpointError, InfraError, RequestRefused
from evolve.core.records import ModelSpec, Usage
from evolve.llm import answer, known_models, open_model, usage_of
from evolve.llm.fields import unsupported_parameters
from evolve.llm.messages.answer import FINISH_REASONS, merge_events, to_completion
from evolve.llm.messages.blocks import FORMAT
from evolve.llm.messages.model import MessagesModel
from evolve.llm.messages.request import NOTHING, to_request
from evolve.llm.pieces import Piece, describe_pieces
from evolve.loop.propose import direct
from tests.fakes import tool_call
from tests.test_propose import GOOD, arguments, brief
from tests.upstream import Upstream, after, raw
from tests.vendors import (
    JSON_VALUES,
    PIXEL,
    SCHEMA,
    TOOL,
    assert_valid,
    conversations,
    events,
    fails,
    odd_requests,
    plain,
    replies,
    reply,
    reply_events,
    text,
    thinking,
    tool_use,
)

REQUEST = TypeAdapter(MessageCreateParamsNonStreaming)
TURNS = TypeAdapter(list[MessageParam])
SPEC = ModelSpec("m", api="messages")
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [TOOL], "max_tokens": 50}
HTTP = httpx2.Request("POST", "http://host/v1/messages")
MARK = {"cache_control": {"type": "ephemeral"}}
THREE = (thinking("I look.", "AAA"), text("Looking."), tool_use("toolu_1", "look", {"at": None}))
CALL = tool_call("look", "")
REDACTED = {"type": "redacted_thinking", "data": "ZZZ"}
ALWAYS = '{"thinking": {"type": "enabled", "budget_tokens": 2000}}'
ADAPTIVE = '{"thinking": {"type": "adaptive"}}'


def model(upstream: Upstream, **spec: Any) -> MessagesModel:
    return MessagesModel(upstream.spec(api="messages", **spec), 0.01)


def answer_of(*content: Any, **odd: Any) -> dict[str, Any]:
    """The chat message of an answer with these blocks."""
    made: dict[str, Any] = to_completion(reply(*content, **odd), HTTP)["choices"][0]["message"]
    return made


def sent_back(said: dict[str, Any], **spec: Any) -> list[dict[str, Any]]:
    """The blocks that an assistant's message becomes in the next request, which begins with the user's turn."""
    blocks: list[dict[str, Any]] = to_request({"model": "m", "messages": [said]}, ModelSpec("m", **spec))["messages"]
    return blocks[1]["content"] if len(blocks) > 1 else []


def bare(block: dict[str, Any]) -> dict[str, Any]:
    """A block as requests have it, without nulls."""
    return {key: value for key, value in block.items() if value is not None}


def marks(value: Any) -> int:
    """How many cache marks a request has."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(marks, inner)) + (isinstance(value, dict) and "cache_control" in value)


def texts(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for turn in request["messages"]:
        yield from (block for block in turn["content"] if block["type"] == "text")


# --- requests ---


@given(conversations())
def test_any_conversation_becomes_a_request_of_the_vendors_types(body: dict[str, Any]) -> None:
    request = to_request(body, SPEC)
    assert_valid(REQUEST, request)
    roles = [turn["role"] for turn in request["messages"]]
    assert roles == (["user", "assistant"] * len(roles))[: len(roles)]
    assert all(turn["content"] for turn in request["messages"]) and all(
        block["text"].strip() for block in texts(request)
    )
    assert marks(request) <= 4


@given(conversations())
def test_every_call_and_its_result_have_one_usable_id(body: dict[str, Any]) -> None:
    turns = to_request(body, SPEC)["messages"]
    for turn, after_it in zip(turns, [*turns[1:], {"content": []}], strict=True):
        called = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        answered = [block["tool_use_id"] for block in after_it["content"] if block["type"] == "tool_result"]
        assert turn["role"] == "user" or called == answered
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", call_id) for call_id in called)


def test_a_request_has_the_conversation_and_all_that_the_api_knows() -> None:
    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    body = {
        **BODY,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "see"}, image]},
            {"role": "user", "content": "now"},
            {"role": "assistant", "content": "I see.", "tool_calls": [CALL, tool_call("look", "{", "b")]},
            {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
            {"role": "tool", "tool_call_id": "b", "content": ""},
            {"role": "developer", "content": "Go on."},
        ],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "temperature": 1.5,
        "top_p": 0.9,
        "top_k": 20,
        "stop": ["END", " "],
        "parallel_tool_calls": False,
        "response_format": SCHEMA,
    }  # fmt: skip
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert to_request(body, ModelSpec("m", effort="high", extra_body='{"service_tier": "auto"}')) == {
        "model": "m",
        "max_tokens": 50,
        "system": [{"type": "text", "text": "Be brief.", **MARK}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image", "source": source},
                    {"type": "text", "text": "now", **MARK},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I see."},
                    {"type": "tool_use", "id": "call_1", "name": "look", "input": {}},
                    {"type": "tool_use", "id": "b", "name": "look", "input": {"arguments": "{"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "seen"}]},
                    {"type": "tool_result", "tool_use_id": "b"},
                    {"type": "text", "text": "Go on.", **MARK},
                ],
            },
        ],
        "temperature": 1.0,
        "top_p": 0.9,
        "top_k": 20,
        "stop_sequences": ["END"],
        "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {}}, **MARK}],
        "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "service_tier": "auto",
    }


@given(conversations())
def test_what_the_protocol_has_no_field_for_changes_nothing(body: dict[str, Any]) -> None:
    unsupported = dict.fromkeys(unsupported_parameters("messages"), 1)
    known = {key: value for key, value in body.items() if key not in unsupported}
    assert to_request(body | unsupported, SPEC) == to_request(known, SPEC)


def test_what_the_endpoint_refuses_is_not_sent() -> None:
    refused = ("temperature", "reasoning_effort", "cache_control")
    spec = ModelSpec("m", effort="low", parameters=tuple((name, "") for name in refused))
    request = to_request({**BODY, "temperature": 1, "top_p": 0.5}, spec)
    assert not {"temperature", "output_config"} & set(request) and request["top_p"] == 0.5 and not marks(request)


def test_a_conversation_that_the_api_would_refuse_is_mended() -> None:
    silent = {"role": "assistant", "content": ""}
    assert to_request({"model": "m", "messages": [silent, silent]}, SPEC)["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": NOTHING}]}
    ]
    begun = to_request({"model": "m", "messages": [{"role": "assistant", "content": "I begin."}]}, SPEC)["messages"]
    assert [turn["role"] for turn in begun] == ["user", "assistant"]


def test_earlier_calls_have_their_tools_though_none_may_be_called() -> None:
    messages = [
        {"role": "assistant", "tool_calls": [tool_call("look", {})]},
        {"role": "tool", "tool_call_id": "call_1"},
    ]
    request = to_request({"model": "m", "messages": messages}, SPEC)
    assert request["tool_choice"] == {"type": "none"} and request["tools"][0]["name"] == "look"


def test_an_answer_has_a_limit_in_any_case() -> None:
    body = {"model": "m", "messages": []}
    assert to_request(body, SPEC)["max_tokens"] == 4096
    assert to_request(body, ModelSpec("m", answer_tokens=900))["max_tokens"] == 900
    assert to_request(body, ModelSpec("m", answer_tokens=128_000))["max_tokens"] == 4096
    assert to_request({**body, "max_completion_tokens": 7}, SPEC)["max_tokens"] == 7


@pytest.mark.parametrize("url", ["data:image/png,raw", "data:;base64,AA", "data:"])
def test_an_image_of_an_unknown_form_is_refused(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    with pytest.raises(RequestRefused, match="base64"):
        to_request({"model": "m", "messages": [{"role": "user", "content": [part]}]}, SPEC)


# --- marks for the cache ---


def conversation(turns: int) -> list[dict[str, Any]]:
    roles = ["user", "assistant"] * turns
    return [{"role": "system", "content": "s"}, *({"role": role, "content": f"{n}"} for n, role in enumerate(roles))][
        :-1
    ]


def test_the_prefix_and_the_last_two_turns_of_the_user_are_marked() -> None:
    request = to_request({**BODY, "messages": conversation(4)}, SPEC)
    assert marks(request["tools"]) == marks(request["system"]) == 1
    assert [marks(turn) for turn in request["messages"]] == [0, 0, 0, 0, 1, 0, 1]


def test_what_was_marked_is_a_prefix_of_the_next_request() -> None:
    def prefix(request: dict[str, Any], turns: int) -> str:
        parts = [request["tools"], request["system"], request["messages"][:turns]]
        return json.dumps(parts).replace(f", {json.dumps(MARK)[1:-1]}", "")

    first, second = (to_request({**BODY, "messages": conversation(turns)}, SPEC) for turns in (3, 4))
    assert prefix(first, 5) == prefix(second, 5) and marks(first["messages"][4]) == marks(second["messages"][4]) == 1


def test_a_single_turn_without_tools_is_not_marked() -> None:
    request = to_request({"model": "m", "messages": conversation(1)}, SPEC)
    assert marks(request["system"]) == 1 and marks(request["messages"]) == 0


def test_a_mark_of_the_users_own_replaces_ours() -> None:
    request = to_request(BODY, ModelSpec("m", extra_body='{"cache_control": {"type": "ephemeral", "ttl": "1h"}}'))
    assert request["cache_control"]["ttl"] == "1h" and marks(request) == 1


# --- thinking ---


def test_thinking_excludes_some_sampling() -> None:
    request = to_request({**BODY, "temperature": 0.2, "top_p": 0.5, "top_k": 5}, ModelSpec("m", extra_body=ADAPTIVE))
    assert request["thinking"] == {"type": "adaptive"} and request["top_p"] == 0.95
    assert not {"temperature", "top_k"} & set(request)


@pytest.mark.parametrize(("limit", "budget"), [(9000, 2000), (1500, 1499), (1000, None)])
def test_a_budget_for_thinking_leaves_room_for_the_answer(limit: int, budget: int | None) -> None:
    request = to_request({**BODY, "max_tokens": limit, "temperature": 0.2}, ModelSpec("m", extra_body=ALWAYS))
    assert request.get("thinking", {}).get("budget_tokens") == budget
    assert ("temperature" in request) is (budget is None)


@pytest.mark.parametrize("extra", [ALWAYS, ADAPTIVE])
def test_a_call_that_is_forced_excludes_thinking(extra: str) -> None:
    request = to_request({**BODY, "max_tokens": 9000, "tool_choice": "required"}, ModelSpec("m", extra_body=extra))
    assert "thinking" not in request and request["tool_choice"] == {"type": "any"}


def test_thinking_is_off_for_the_rest_of_a_turn_whose_thinking_is_gone() -> None:
    said = answer_of(*THREE, stop_reason="tool_use")
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "seen"}
    rebuilt = {key: said[key] for key in ("role", "content", "tool_calls")}
    kept, gone = (
        to_request({**BODY, "max_tokens": 9000, "messages": [message, result]}, ModelSpec("m", extra_body=ALWAYS))
        for message in (said, rebuilt)
    )
    assert kept["thinking"]["type"] == "enabled" and "thinking" not in gone


# --- answers ---


def test_an_answer_has_the_form_of_a_chat_completion() -> None:
    completion = to_completion(reply(*THREE, stop_reason="tool_use"), HTTP)
    said = completion["choices"][0]["message"]
    assert said["content"] == "Looking." and said["reasoning_content"] == "I look."
    assert said["tool_calls"] == [tool_call("look", '{"at": null}', "toolu_1")]
    assert completion["choices"][0]["finish_reason"] == "tool_calls" and completion["id"] == "msg_1"
    assert completion["usage"] == {
        "prompt_tokens": 78,
        "completion_tokens": 20,
        "total_tokens": 98,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }


def test_the_budget_reads_the_usage() -> None:
    spec = ModelSpec("m", prompt_price=1.0, completion_price=5.0, cached_price=0.1, cache_write_price=1.25)
    used = usage_of(to_completion(reply(*THREE), HTTP), spec, BODY)
    assert (used.prompt_tokens, used.cached_tokens, used.cache_write_tokens, used.completion_tokens) == (78, 60, 8, 20)
    assert used.cost_usd == pytest.approx((10 * 1.0 + 60 * 0.1 + 8 * 1.25 + 20 * 5.0) / 1e6)


def test_every_reason_to_stop_has_its_finish_reason() -> None:
    known = set(TypeAdapter(anthropic.types.StopReason).json_schema()["enum"])
    assert known == set(FINISH_REASONS)
    for reason, finish in FINISH_REASONS.items():
        assert to_completion(reply(text("x"), stop_reason=reason), HTTP)["choices"][0]["finish_reason"] == finish


def test_a_refusal_is_a_filtered_answer() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}
    choice = to_completion(reply(stop_reason="refusal", stop_details=details), HTTP)["choices"][0]
    assert choice["finish_reason"] == "content_filter" and choice["message"]["refusal"] == "Not this."


# --- what goes back ---


@pytest.mark.parametrize("thought", [THREE[0], REDACTED])
def test_an_unchanged_message_becomes_the_very_blocks_again(thought: dict[str, Any]) -> None:
    blocks = [thought, *THREE[1:]]
    assert sent_back(answer_of(*blocks)) == [bare(block) for block in blocks]


@st.composite
def contents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Blocks in any order. No text is white space: the API neither gives nor takes it."""
    kinds = draw(st.lists(st.sampled_from(["thinking", "redacted", "text", "call"]), min_size=1, max_size=6))
    words = draw(st.lists(st.text(min_size=1, max_size=9).filter(str.strip), min_size=6, max_size=6))
    made = {
        "thinking": lambda n: thinking(words[n], f"s{n}"),
        "redacted": lambda n: {**REDACTED, "data": f"d{n}"},
        "text": lambda n: text(words[n]),
        "call": lambda n: tool_use(f"toolu_{n}", "look", {"at": [n, None, words[n]]}),
    }
    return [made[kind](number) for number, kind in enumerate(kinds)]


@given(contents(), st.booleans())
def test_any_answer_with_thinking_goes_back_as_it_came(content: list[dict[str, Any]], streamed: bool) -> None:
    message = reply(*content)
    if streamed:
        message = merge_events(reply_events(message), HTTP)
    said = to_completion(message, HTTP)["choices"][0]["message"]
    back = sent_back(said, keep_reasoning=True)
    plain(TURNS.validate_python([{"role": "assistant", "content": back}]))
    if said.get("reasoning_details") is None:
        return
    while content and "thinking" in content[-1]["type"]:
        content.pop()
    assert back == [bare(block) for block in content]


def test_thinking_of_a_finished_answer_goes_back_if_the_model_wants_it() -> None:
    said = answer_of(thinking("hm"), text("Done."))
    assert [block["type"] for block in sent_back(said, keep_reasoning=True)] == ["thinking", "text"]
    assert [block["type"] for block in sent_back(said)] == ["text"]


@pytest.mark.parametrize(
    "changes", [{"tool_calls": [tool_call("look", {})]}, {"content": None}, {"reasoning_details": 3}]
)
def test_a_changed_message_goes_back_without_thinking(changes: dict[str, Any]) -> None:
    blocks = sent_back({**answer_of(*THREE), **changes}, keep_reasoning=True)
    assert blocks and not any("thinking" in block["type"] for block in blocks)


@given(odd_requests())
def test_no_request_of_a_scaffold_is_an_error_of_ours(body: dict[str, Any]) -> None:
    with contextlib.suppress(RequestRefused):
        json.dumps(to_request(body, ModelSpec("m", keep_reasoning=True, extra_body=ALWAYS)))


@given(JSON_VALUES)
def test_no_answer_of_an_endpoint_is_an_error_of_ours(value: Any) -> None:
    for read in (to_completion, lambda answer, request: to_completion(merge_events([answer], request), request)):
        with contextlib.suppress(RequestRefused, AccountError, openai.APIConnectionError):
            json.dumps(read(value, HTTP))


def test_a_scaffold_can_send_no_blocks_but_these() -> None:
    fetching = {"type": "document", "source": {"type": "url", "url": "http://elsewhere"}}
    notes = describe_pieces([Piece("reasoning", fetching), Piece("text", fetching, "yes")], FORMAT)
    said = {"role": "assistant", "content": "yes", "reasoning_details": notes}
    assert sent_back(said, keep_reasoning=True) == [{"type": "text", "text": "yes"}]


# --- over the wire ---


def test_the_answers_of_these_tests_are_the_vendors() -> None:
    message = reply(*THREE, REDACTED, stop_reason="tool_use")
    Message.model_validate(message)
    for event in reply_events(message):
        if event["type"] != "ping":
            TypeAdapter(RawMessageStreamEvent).validate_python(event)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_over_the_wire(upstream: Upstream, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_TEST_KEY", "sk-test")
    upstream.script(replies(*THREE, tool_use("toolu_2", "look", {}), stop_reason="tool_use"))
    asked = model(upstream, stream=stream, key_variable="EVOLVE_TEST_KEY", headers=(("x-team", "blue"),))
    completion = asked.complete({**BODY, "timeout": 0.00001, "extra_headers": {"x-api-key": "other"}})
    request = upstream.requests()[0]
    assert request["path"] == "/v1/messages"
    headers = request["headers"]
    assert headers["authorization"] == "Bearer sk-test" and headers["x-team"] == "blue"
    assert "x-api-key" not in headers and headers["anthropic-version"] == "2023-06-01"
    assert bool(request["body"].pop("stream", False)) is stream
    assert request["body"] == to_request(BODY, SPEC)
    choice = completion["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert [call["function"]["arguments"] for call in choice["message"]["tool_calls"]] == ['{"at": null}', "{}"]
    assert completion["usage"]["prompt_tokens"] == 78 and completion["usage"]["completion_tokens"] == 20
    assert sent_back(choice["message"])[:3] == [bare(block) for block in THREE]


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_with_tools_hands_the_thinking_back(upstream: Upstream, stream: bool) -> None:
    look = tool_use("toolu_1", "search_trials", {"words": "stuck"})
    near = tool_use("toolu_2", "propose", json.loads(tool_call("propose", arguments(*GOOD))["function"]["arguments"]))
    first, second = replies(thinking("hm", "AAA"), look, stop_reason="tool_use"), replies(near, stop_reason="tool_use")
    upstream.script(first, second)
    spec = upstream.spec(api="messages", stream=stream)
    written = direct(open_model(spec), spec, brief(), 1, lambda proposal: None)
    assert written.proposal.edits and written.proposal.usage.calls == 2
    turns = upstream.bodies()[1]["messages"]
    assert turns[1]["content"] == [thinking("hm", "AAA"), look] and turns[2]["content"][0]["type"] == "tool_result"


def test_the_version_of_the_api_can_be_another(upstream: Upstream) -> None:
    upstream.script(replies(text("yes")))
    model(upstream, headers=(("Anthropic-Version", "2026-10-21"),)).complete(BODY)
    assert upstream.requests()[0]["headers"]["anthropic-version"] == "2026-10-21"


def test_a_call_that_was_cut_off_is_not_completed(upstream: Upstream) -> None:
    steps = list(reply_events(reply(tool_use("toolu_1", "write", {"text": "long"}), stop_reason="max_tokens")))
    last = max(n for n, step in enumerate(steps) if step.get("delta", {}).get("type") == "input_json_delta")
    upstream.script(events(*steps[:last], *steps[last + 1 :]))
    choice = model(upstream, stream=True).complete(BODY)["choices"][0]
    assert choice["finish_reason"] == "length"
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])


def test_faults_are_retried_and_reported(upstream: Upstream) -> None:
    overloaded, limited = fails(529, "overloaded_error"), fails(429, "rate_limit_error", retry_after="0")
    upstream.script(overloaded, limited, raw("{", None), replies(text("yes")))
    lost: list[Usage] = []
    assert model(upstream).complete(BODY, lost.append)["choices"][0]["message"]["content"] == "yes"
    assert sum(usage.retries for usage in lost) == 3


def test_a_stream_that_breaks_off_or_reports_a_fault_is_retried(upstream: Upstream) -> None:
    steps = list(reply_events(reply(text("yes"))))
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    upstream.script(events(*steps[:4], end=None), events(*steps[:4]), events(*steps[:4], error), events(*steps))
    assert model(upstream, stream=True).complete(BODY)["choices"][0]["message"]["content"] == "yes"
    assert len(upstream.requests()) == 4


@pytest.mark.parametrize(
    ("status", "kind", "problem", "expected"),
    [
        (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", RequestRefused),
        (400, "invalid_request_error", "messages.0: the reason", RequestRefused),
        (400, "invalid_request_error", "Your credit balance is too low to access the API", AccountError),
        (401, "authentication_error", "invalid x-api-key", AccountError),
        (402, "billing_error", "the reason", AccountError),
        (404, "not_found_error", "model: m", BadInput),
        (413, "request_too_large", "the reason", RequestRefused),
        (500, "api_error", "the reason", InfraError),
        (529, "overloaded_error", "Overloaded", InfraError),
    ],
)
def test_statuses_are_classified_as_for_chat(
    upstream: Upstream, status: int, kind: str, problem: str, expected: type[Exception]
) -> None:
    upstream.script(fails(status, kind, problem))
    with pytest.raises(expected, match=re.escape(problem)):
        model(upstream).complete(BODY)


@pytest.mark.parametrize(
    ("kind", "problem", "expected"),
    [
        ("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", RequestRefused),
        ("authentication_error", "no", AccountError),
        ("api_error", "no", InfraError),
    ],
)
def test_an_error_event_is_classified_by_its_kind(
    upstream: Upstream, kind: str, problem: str, expected: type[Exception]
) -> None:
    upstream.script(events({"type": "error", "error": {"type": kind, "message": problem}}))
    with pytest.raises(expected, match=problem):
        model(upstream, stream=True).complete(BODY)


def test_too_long_a_conversation_has_the_code_of_chat(upstream: Upstream) -> None:
    upstream.script(fails(400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"))
    with pytest.raises(RequestRefused) as caught:
        model(upstream).complete(BODY)
    assert (caught.value.status, caught.value.code) == (400, "context_length_exceeded")


def test_thinking_that_the_endpoint_cannot_use_is_left_out(upstream: Upstream) -> None:
    body = {**BODY, "messages": [*BODY["messages"], answer_of(*THREE)]}  # type: ignore[misc]
    problem = "messages.1.content.0: Invalid `signature` in `thinking` block"
    upstream.script(fails(400, "invalid_request_error", problem), replies(text("yes")))
    assert model(upstream).complete(body)["choices"][0]["message"]["content"] == "yes"
    first, second = ([block["type"] for block in sent["messages"][1]["content"]] for sent in upstream.bodies())
    assert first == ["thinking", "text", "tool_use"] and second == ["text", "tool_use"]


@pytest.mark.parametrize(
    "problem", ["tools.0.cache_control: Extra inputs are not permitted", "cache_control is not supported"]
)
def test_marks_that_are_refused_are_set_no_more(upstream: Upstream, problem: str) -> None:
    upstream.script(fails(400, "invalid_request_error", problem), replies(text("yes")))
    asked = model(upstream)
    for _ in range(2):
        assert asked.complete(BODY)["choices"][0]["message"]["content"] == "yes"
    assert [marks(body) > 0 for body in upstream.bodies()] == [True, False, False]


def test_what_a_refusal_quotes_is_not_the_hosts_fault(upstream: Upstream) -> None:
    upstream.script(fails(400, "invalid_request_error", "messages.1: unexpected text `cache_control`"))
    with pytest.raises(RequestRefused):
        model(upstream).complete(BODY)


@pytest.mark.parametrize("answer", ["<html>a proxy's page</html>", "{}", "[]", '{"content": 3}'])
def test_what_is_no_answer_is_a_fault(upstream: Upstream, answer: str) -> None:
    upstream.script(raw(answer))
    with pytest.raises(InfraError, match="model endpoint"):
        model(upstream).complete(BODY)


@pytest.mark.parametrize("stream", [False, True])
def test_a_huge_answer_is_the_endpoints_fault(
    upstream: Upstream, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "MAX_ANSWER", 1_000_000)
    monkeypatch.setattr(answer, "MAX_STREAM", 1_000_000)
    flood = [": " + "x" * 100_000 + "\n\n", 12]
    upstream.script({**raw(flood), "streamed": {**events(), "pieces": [flood]}})
    with pytest.raises(EndpointError, match="exceeds 1000000 bytes"):
        model(upstream, stream=stream).complete(BODY | {"logprobs": True})


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_comes_too_late_ends_in_time(upstream: Upstream, stream: bool) -> None:
    upstream.script(after(3, replies(text("late"))), replies(text("yes")))
    started = time.monotonic()
    asked = MessagesModel(upstream.spec(api="messages", stream=stream), 0.01, 0.3)
    assert asked.complete(BODY)["choices"][0]["message"]["content"] == "yes"
    assert time.monotonic() - started < 2


def test_an_unreachable_endpoint_is_a_fault() -> None:
    with pytest.raises(InfraError, match="model endpoint"):
        MessagesModel(ModelSpec("m", "http://127.0.0.1:9", api="messages"), 0.01).complete(BODY)


def test_half_characters_become_whole(upstream: Upstream) -> None:
    upstream.script(replies(text("a\ud800b")))
    assert model(upstream).complete(BODY)["choices"][0]["message"]["content"] == "a\ufffdb"


def test_the_models_of_an_endpoint_are_listed(upstream: Upstream) -> None:
    spec = upstream.spec(api="messages")
    upstream.script(raw(json.dumps({"data": [{"id": "a", "type": "model"}], "has_more": False})))
    assert known_models(spec) == ["a"]
    assert upstream.requests()[0]["path"] == "/v1/models"
    upstream.script(fails(404, "not_found_error"))
    assert known_models(spec) == []
    for odd in ("<html>a web page</html>", "[]", '{"data": 3}', '{"data": [3, {"id": null}]}'):
        upstream.script(raw(odd, headers={"content-type": "text/html"}), raw(odd))
        assert known_models(spec) == known_models(spec) == []
    upstream.script(raw(None))
    with pytest.raises(InfraError, match="model endpoint"):
        known_models(spec)
    upstream.script(fails(401, "authentication_error"))
    with pytest.raises(BadInput, match="key"):
        known_models(spec)


# --- the optional package ---

MISSING = """
import sys
from evolve.core.errors import BadInput
from evolve.core.records import ModelSpec
from evolve.llm import open_model
open_model(ModelSpec("m", api="responses"))
assert "anthropic" not in sys.modules, "it takes more than a second to import"
sys.modules["anthropic"] = None
try:
    open_model(ModelSpec("m", api="messages"))
except BadInput as error:
    print(error)
"""


def test_a_missing_package_is_one_line_with_the_fix() -> None:
    run = subprocess.run([sys.executable, "-c", MISSING], capture_output=True, text=True, check=True)
    assert run.stdout.count("\n") == 1 and "pip install 'evolve-scaffold[anthropic]'" in run.stdout


def test_the_errors_of_both_clients_are_unrelated() -> None:
    """Otherwise the conversion of errors would not be needed."""
    assert not issubclass(anthropic.APIError, openai.OpenAIError)
