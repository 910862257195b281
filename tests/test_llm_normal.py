"""Answers have one form, whatever an endpoint makes of them; what can't be brought into it is asked for again."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.errors import AccountError, InfraError, RequestRefused
from evolve.llm.answer import parse_completion
from evolve.llm.client import ATTEMPTS, OpenAIModel
from evolve.llm.foreign_json import MAX_DEPTH
from evolve.llm.normal import ID_CHARS, normal_usage
from evolve.llm.parts import arguments_text, joined_text, split_parts
from evolve.llm.stream import merge_chunks, read_stream
from tests.fakes import completion, tool_call
from tests.normal_form import Completion, check_completion
from tests.upstream import Answer, Upstream, chunk, raw, says, streams

USER = {"role": "user", "content": "hi"}
BODY = {"model": "m", "messages": [USER]}
REQUEST = httpx2.Request("POST", "http://model")
TOO_BIG = "x" * 5_000


def with_message(**fields: Any) -> Answer:
    """A whole answer whose message has these fields."""
    answer = completion()
    answer["choices"][0]["message"] = {"role": "assistant", **fields}
    return raw(json.dumps(answer))


def function(**fields: Any) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": "look", **fields}}


@pytest.fixture
def model(upstream: Upstream) -> OpenAIModel:
    return OpenAIModel(upstream.spec(), 0.01)


def message_of(model: OpenAIModel) -> dict[str, Any]:
    answer = model.complete(BODY)
    Completion.model_validate(answer)
    message: dict[str, Any] = answer["choices"][0]["message"]
    return message


THINKING = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Okay"}, {"type": "text", "text": ", so"}]},
    {"type": "text", "text": "4"},
    {"type": "reference", "reference_ids": [1]},
    {"type": "text", "text": "2"},
]


@pytest.mark.parametrize(
    ("content", "text", "thought"),
    [
        (None, None, None),
        ("plain", "plain", None),
        (THINKING, "42", "Okay, so"),
        ([{"type": "thinking", "thinking": "hm"}], "", "hm"),
        (["a", "b"], "ab", None),
        (42, "42", None),
        ({"a": 1}, '{"a": 1}', None),
        (True, "true", None),
    ],
)
def test_content_becomes_a_text(
    upstream: Upstream, model: OpenAIModel, content: Any, text: str | None, thought: str | None
) -> None:
    upstream.script(with_message(content=content, tool_calls=[tool_call("look", {})]))
    message = message_of(model)
    assert "content" in message
    assert (message["content"], message.get("reasoning_content")) == (text, thought)


def test_streamed_parts_are_the_whole_ones(upstream: Upstream) -> None:
    deltas: list[Any] = [
        [{"type": "thinking", "thinking": [{"type": "text", "text": "Okay"}]}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": ", so"}]}],
        [{"type": "text", "text": "4"}],
        "2",
    ]
    upstream.script(streams(*(chunk(content=delta) for delta in deltas), chunk(finish="stop")))
    message = message_of(OpenAIModel(upstream.spec(stream=True), 0.01))
    assert message == {"role": "assistant", "content": "42", "reasoning_content": "Okay, so"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("", "{}"),
        (None, "{}"),
        (" ", "{}"),
        ("null", "{}"),
        ({"a": 1}, '{"a": 1}'),
        ([], "[]"),
        ("{broken", "{broken"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_arguments_become_a_text(upstream: Upstream, arguments: Any, text: str, stream: bool) -> None:
    call = function(arguments=arguments)
    answer = streams(chunk(tool_calls=[{"index": 0, **call}]), chunk(finish="tool_calls")) if stream else None
    upstream.script(answer or with_message(content=None, tool_calls=[call]))
    [made] = message_of(OpenAIModel(upstream.spec(stream=stream), 0.01))["tool_calls"]
    assert made == {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": text}}


@pytest.mark.parametrize("stream", [False, True])
def test_unknown_fields_survive_the_way_in_and_out(upstream: Upstream, stream: bool) -> None:
    signature = {"google": {"thought_signature": "c2ln"}}
    call = {"extra_content": signature, **function(arguments="{}", strict=True)}
    fields = {"extra_content": {"google": {"thought": True}}, "annotations": [{"a": 1}]}
    pieces = [chunk(tool_calls=[{"index": 0, **call}], **fields), chunk(finish="tool_calls")]
    upstream.script(streams(*pieces) if stream else with_message(content=None, tool_calls=[call], **fields), says())
    client = OpenAIModel(upstream.spec(stream=stream), 0.01)
    message = message_of(client)
    assert message["tool_calls"] == [call] and {key: message[key] for key in fields} == fields
    client.complete({"model": "m", "messages": [USER, message]})
    assert upstream.bodies()[1]["messages"][1] == {**message, "content": ""}


def test_pieces_of_unknown_fields_are_merged(upstream: Upstream) -> None:
    first = {
        "index": 0,
        "id": "a",
        "extra_content": {"google": {"thought_signature": "c2ln"}},
        "function": {"name": "x"},
    }
    rest = {"index": 0, "extra_content": {"google": {"more": 1}}, "function": {"arguments": "{}"}}
    upstream.script(streams(chunk(tool_calls=[first]), chunk(tool_calls=[rest]), chunk(finish="tool_calls")))
    [call] = message_of(OpenAIModel(upstream.spec(stream=True), 0.01))["tool_calls"]
    assert call["extra_content"] == {"google": {"thought_signature": "c2ln", "more": 1}}


def test_calls_without_ids_get_one_of_the_conversation_and_the_answer(upstream: Upstream, model: OpenAIModel) -> None:
    calls = [{"function": {"name": "look", "arguments": "{}"}} for _ in range(2)]
    upstream.script(with_message(content=None, tool_calls=[*calls, {"name": "run", "arguments": {}}]))
    first, again = message_of(model)["tool_calls"], message_of(model)["tool_calls"]
    other = model.complete({"model": "m", "messages": [USER, USER]})["choices"][0]["message"]["tool_calls"]
    assert first == again
    assert len({call["id"] for call in (*first, *other)}) == 6
    assert all(len(call["id"]) == ID_CHARS and call["id"].isalnum() for call in first)
    assert first[2]["function"] == {"name": "run", "arguments": "{}"}


def test_equal_ids_are_told_apart(upstream: Upstream, model: OpenAIModel) -> None:
    upstream.script(with_message(content="", tool_calls=[tool_call("look", {}, "0"), tool_call("run", {}, "0")]))
    first, second = message_of(model)["tool_calls"]
    assert first["id"] == "0" != second["id"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"content": "a", "tool_calls": None}, {"content": "a"}),
        ({"content": "a", "tool_calls": []}, {"content": "a"}),
        ({"content": None, "tool_calls": function()}, {"content": None, "tool_calls": [tool_call("look", {})]}),
        (
            {"content": None, "function_call": {"name": "look", "arguments": {"a": 1}}},
            {"content": None, "function_call": {"name": "look", "arguments": '{"a": 1}'}},
        ),
        ({"content": "a", "reasoning": {"text": "hm"}}, {"content": "a", "reasoning": '{"text": "hm"}'}),
        ({"content": "a", "reasoning_content": ["h", "m"]}, {"content": "a", "reasoning_content": "hm"}),
        ({"content": None, "refusal": 3, "x": None}, {"content": None, "refusal": "3"}),
    ],
)
def test_odd_messages_become_plain(
    upstream: Upstream, model: OpenAIModel, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    upstream.script(with_message(**fields))
    assert message_of(model) == {"role": "assistant", **expected}


@pytest.mark.parametrize(
    ("usage", "kept"),
    [
        ("10 tokens", {}),
        ([], {}),
        ({"prompt_tokens": 2**62, "completion_tokens": 3}, {"completion_tokens": 3}),
        ({"prompt_tokens": -1, "completion_tokens": "7", "total_tokens": 1.5}, {"completion_tokens": 7}),
        ({"prompt_tokens": True, "completion_tokens": 12.0}, {"completion_tokens": 12}),
        (
            {"prompt_tokens_details": {"cached_tokens": 8, "x_tokens": "a"}},
            {"prompt_tokens_details": {"cached_tokens": 8}},
        ),
        (
            {"cost": 0.25, "cost_in_usd_ticks": 158_500, "queue_time": 1e300},
            {"cost": 0.25, "cost_in_usd_ticks": 158_500},
        ),
        ({"prompt_tokens": 10**400, "cost": 10**400}, {}),
        ({"is_byok": True, "cache_discount": -0.5, "x": [1]}, {"is_byok": True, "cache_discount": -0.5}),
    ],
)
def test_usage_that_cant_be_true_is_left_out(usage: Any, kept: dict[str, Any]) -> None:
    assert normal_usage(usage) == kept


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "answer",
    [
        with_message(content=[3]),
        with_message(content=[{"type": "text", "text": 3}]),
        with_message(content="", x=nested(MAX_DEPTH)),
        with_message(content=nested(900)),
        with_message(content="", tool_calls="look()"),
        with_message(content="", tool_calls=["look"]),
        with_message(content="", tool_calls=[{"id": "a", "function": "look"}]),
        with_message(content="", tool_calls=[{"id": "a", "function": {"name": 3}}]),
        raw(f"{'[' * TOO_BIG.count('x')}"),
        raw("1" * 5_000),
        streams(chunk(content=[3]), chunk(finish="stop")),
        streams(chunk(tool_calls=["look"], content="a"), chunk(tool_calls="look"), chunk(finish="stop")),
    ],
)
def test_an_answer_that_is_too_odd_is_asked_for_again(upstream: Upstream, model: OpenAIModel, answer: Answer) -> None:
    upstream.script(answer, says("well"))
    assert message_of(model)["content"] == "well"
    upstream.script(answer)
    with pytest.raises(InfraError, match="model endpoint"):
        model.complete(BODY)
    assert len(upstream.requests()) == ATTEMPTS


def test_bytes_that_are_no_characters_do_not_get_in() -> None:
    body = json.dumps(completion("@")).encode().replace(b"@", b"a\xed\xa0\x80\xff")
    text = parse_completion(b"\xef\xbb\xbf" + body, REQUEST)["choices"][0]["message"]["content"]
    assert text.startswith("a\ufffd") and text.encode()


def test_numbers_that_json_has_not_do_not_get_in() -> None:
    body = json.dumps({**completion(), "x": 3.5}).replace("3.5", "1e999").encode()
    assert "x" not in parse_completion(body, REQUEST)


# What endpoints put into the fields of an answer, and what nobody would.
odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\ud800", 2**70, "", "null", "error"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "thinking", "name", "arguments", "function", "id", "index", "message"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
names = st.fixed_dictionaries({"name": st.text(max_size=4)}, optional={"arguments": odd, "strict": odd})
call_fields = {"id": odd, "type": odd, "index": st.none() | st.integers(0, 2), "extra_content": odd}
calls = st.lists(st.fixed_dictionaries({"function": names}, optional=call_fields), max_size=3)
message_fields = {
    "role": odd, "reasoning": odd, "reasoning_content": odd, "reasoning_details": odd,
    "refusal": odd, "annotations": odd, "function_call": names,
}  # fmt: skip
messages = st.fixed_dictionaries({"content": st.text(max_size=4) | odd, "tool_calls": calls}, optional=message_fields)
reasons = st.sampled_from(["stop", "tool_calls", "length", None, 3])
choices = st.fixed_dictionaries(
    {"message": messages, "finish_reason": reasons}, optional={"index": odd, "logprobs": odd}
)
pieces = st.fixed_dictionaries(
    {"delta": messages}, optional={"finish_reason": reasons, "index": st.integers(0, 1) | odd, "logprobs": odd}
)
head = {"id": odd, "model": odd, "usage": odd, "object": st.text(max_size=4), "x": odd}
answers = st.fixed_dictionaries({"choices": st.lists(choices, min_size=1, max_size=2)}, optional=head)
chunks = st.fixed_dictionaries({"choices": st.lists(pieces, max_size=2)}, optional=head)
# Any of their parts may be something else altogether.
broken = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(st.fixed_dictionaries({}, optional={"message": odd, "delta": odd}) | odd) | odd,
        "usage": odd, "error": odd, "base_resp": odd, "object": odd,
    },
)  # fmt: skip
CLIENT = openai.OpenAI(api_key="none", base_url="http://model")
ERRORS = (openai.APIConnectionError, RequestRefused, AccountError)


@given(answers | answers | broken | odd)
@settings(deadline=None)
def test_any_answer_has_the_one_form_or_is_none(answer: Any) -> None:
    try:
        parsed = parse_completion(json.dumps(answer).encode(), REQUEST)
    except ERRORS:
        return
    check_completion(parsed)
    assert parse_completion(json.dumps(parsed).encode(), REQUEST) == parsed


@given(st.lists(chunks, max_size=4) | st.lists(chunks | answers | broken | odd, max_size=4))
@settings(deadline=None)
def test_any_stream_has_the_one_form_or_is_none(events: list[Any]) -> None:
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    response = httpx2.Response(200, content=body.encode(), request=REQUEST)
    try:
        check_completion(read_stream(CLIENT, response, time.monotonic() + 60))
    except ERRORS:
        return


@given(st.binary(max_size=40))
def test_any_bytes_are_an_answer_or_none(data: bytes) -> None:
    with pytest.raises(ERRORS):
        parse_completion(data, REQUEST)


@given(odd)
def test_parts_are_split_or_refused(content: Any) -> None:
    try:
        text, thoughts = split_parts(content)
    except ValueError:
        assert isinstance(content, list)
        return
    assert isinstance(thoughts, str) and (text is None) == (content is None)
    assert isinstance(arguments_text(content), str)
    assert joined_text(content) == content or isinstance(joined_text(content), str)


def test_a_stream_without_chunks_is_empty() -> None:
    assert merge_chunks([], REQUEST)["choices"] == []
