"""Answers that come as a stream, through the real client from a real process."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from evolve.core.errors import EndpointError, InfraError, RequestRefused
from evolve.core.records import Usage
from evolve.llm import answer, usage_of
from evolve.llm.client import ATTEMPTS, OpenAIModel
from tests.fakes import completion, tool_call
from tests.upstream import DONE, EVENTS, JSON, Upstream, after, chunk, event_text, raw, refuses, says, streams

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
END = chunk(finish="stop")


@pytest.fixture
def model(upstream: Upstream) -> OpenAIModel:
    return OpenAIModel(upstream.spec(stream=True), 0.01)


def message(model: OpenAIModel) -> dict[str, Any]:
    made: dict[str, Any] = model.complete(BODY)["choices"][0]["message"]
    return made


def test_a_streamed_answer_is_the_whole_one(upstream: Upstream, model: OpenAIModel) -> None:
    calls = [tool_call("look", {"at": "ä" * 30}, "call_1"), tool_call("run", {}, "call_2")]
    upstream.script(says("some words", *calls, reasoning="a long thought"))
    whole = OpenAIModel(upstream.spec()).complete(BODY)
    made = model.complete(BODY)
    assert {key: made[key] for key in ("choices", "usage", "id", "object")} == {
        key: whole[key] for key in ("choices", "usage", "id", "object")
    }
    assert made["choices"][0]["finish_reason"] == "tool_calls"
    plain, asked = upstream.bodies()
    assert not plain.get("stream") and "stream_options" not in plain
    assert asked["stream"] is True and asked["stream_options"] == {"include_usage": True}


def test_usage_that_no_chunk_reports_is_estimated(upstream: Upstream, model: OpenAIModel) -> None:
    upstream.script(says("y" * 400, tokens=None))
    made = model.complete(BODY)
    assert "usage" not in made
    assert 100 <= usage_of(made, upstream.spec(), BODY).completion_tokens < 150
    upstream.script(says("y" * 400))
    assert usage_of(model.complete(BODY), upstream.spec(), BODY) == Usage(1, 10, 10, 0.0, 0)


def test_all_forms_of_reasoning_and_refusals_are_merged(upstream: Upstream, model: OpenAIModel) -> None:
    details = [
        [{"type": "reasoning.text", "index": 0, "text": "one "}],
        [{"type": "reasoning.text", "index": 0, "text": "two", "signature": "s"}],
        [{"type": "reasoning.encrypted", "index": 1, "data": "xyz"}],
    ]
    upstream.script(
        streams(
            chunk(role="assistant", reasoning="I ", reasoning_content="Hm, "),
            chunk(reasoning="think", reasoning_content="well"),
            *(chunk(reasoning_details=part) for part in details),
            chunk(refusal="I "), chunk(refusal="won't"), chunk(content=None, annotations=[{"a": 1}]), END,
        )
    )  # fmt: skip
    assert message(model) == {
        "role": "assistant",
        "content": None,
        "reasoning": "I think",
        "reasoning_content": "Hm, well",
        "reasoning_details": [
            {"type": "reasoning.text", "index": 0, "text": "one two", "signature": "s"},
            {"type": "reasoning.encrypted", "index": 1, "data": "xyz"},
        ],
        "refusal": "I won't",
        "annotations": [{"a": 1}],
    }


def test_repeated_reasoning_details_are_kept_once(upstream: Upstream, model: OpenAIModel) -> None:
    texts = ["I", "I think", "I think so"]
    upstream.script(streams(*(chunk(reasoning_details=[{"text": text}]) for text in texts), END))
    assert message(model)["reasoning_details"] == [{"text": "I think so"}]


def piece(index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: Any = None) -> Any:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields = {"index": index, "id": call_id, "function": function}
    return {key: value for key, value in fields.items() if value is not None}


@pytest.mark.parametrize(
    "pieces",
    [
        [
            piece(0, "a", "lo", ""),
            piece(0, None, "ok", '{"x"'),
            piece(0, None, None, ": 1}"),
            piece(1, "b", "run", "{}"),
        ],
        [piece(0, "a", "look", '{"x": 1}'), piece(0, "b", "run", "{}")],
        [piece(0, "a", "look", '{"x"'), piece(0, "a", "look", ": 1}"), piece(1, "b", "run", {})],
        [piece(1, "b", "run", "{}"), piece(0, "a", "look", '{"x": 1}')],
        [piece(None, "a", "look", '{"x"'), piece(None, None, None, ": 1}"), piece(None, "b", "run", "{}")],
        [piece(0, "a", "look", '{"x": '), piece(1, "b", "run", "{"), piece(0, "", None, "1}"), piece(1, "", None, "}")],
    ],
    ids=["name in pieces", "one index for all", "repeated", "out of order", "no index", "interleaved"],
)
def test_calls_come_in_any_pieces(upstream: Upstream, model: OpenAIModel, pieces: list[Any]) -> None:
    upstream.script(streams(*(chunk(tool_calls=[part]) for part in pieces), chunk(finish="tool_calls")))
    calls = sorted(message(model)["tool_calls"], key=lambda call: str(call["id"]))
    assert calls == [tool_call("look", '{"x": 1}', "a"), tool_call("run", "{}", "b")]


def test_calls_without_ids_and_indexes_are_separated_by_name(upstream: Upstream, model: OpenAIModel) -> None:
    parts = [piece(None, None, "look", "{}"), piece(None, None, "run", '{"a"'), piece(None, None, None, ": 1}")]
    upstream.script(streams(*(chunk(tool_calls=[part]) for part in parts), chunk(finish="tool_calls")))
    functions = [call["function"] for call in message(model)["tool_calls"]]
    assert functions == [{"name": "look", "arguments": "{}"}, {"name": "run", "arguments": '{"a": 1}'}]


def test_several_choices_and_logprobs(upstream: Upstream, model: OpenAIModel) -> None:
    odds = chunk(1, content="b")
    odds["choices"][0]["logprobs"] = {"content": [{"token": "b"}], "refusal": None}
    ends = [chunk(1, finish="stop"), chunk(0, finish="length")]
    upstream.script(streams(odds, chunk(0, content="a"), odds, chunk(0, content="a"), *ends))
    first, second = model.complete(BODY)["choices"]
    assert (first["index"], first["message"]["content"], first["finish_reason"]) == (0, "aa", "length")
    assert (second["message"]["content"], len(second["logprobs"]["content"])) == ("bb", 2)


def test_a_last_chunk_with_the_whole_message_replaces_the_pieces(upstream: Upstream, model: OpenAIModel) -> None:
    last = completion("all of it")
    upstream.script(streams(chunk(content="all "), chunk(content="of it"), last))
    made = model.complete(BODY)
    assert made["choices"][0]["message"]["content"] == "all of it"
    assert made["usage"] == last["usage"]


def test_of_several_reports_of_usage_the_last_one_counts(upstream: Upstream, model: OpenAIModel) -> None:
    counts = [{"prompt_tokens": 9, "completion_tokens": number} for number in (1, 2)]
    growing = [{**chunk(content="a"), "usage": usage} for usage in counts]
    upstream.script(streams(*growing, {**END, "usage": None}))
    assert model.complete(BODY)["usage"] == counts[-1]
    upstream.script(
        streams(chunk(content="a"), {**END, "usage": counts[0]}, {**chunk(), "choices": [], "usage": counts[1]})
    )
    assert model.complete(BODY)["usage"] == counts[-1]


def test_comments_other_fields_and_odd_line_ends_are_ignored(upstream: Upstream, model: OpenAIModel) -> None:
    split = event_text(chunk(content="two"))
    odd = ": OPENROUTER PROCESSING\r\n\r\n: keep-alive\n\nid: 3\nretry: 10\n" + event_text(chunk(content="one "))
    upstream.script(streams(odd, split[:9], 0.02, split[9:].replace("\n", "\r\n"), END))
    assert message(model)["content"] == "one two"


def test_a_character_in_two_halves_is_one_and_half_of_one_is_none(upstream: Upstream, model: OpenAIModel) -> None:
    upstream.script(streams(chunk(content="a\ud83d"), chunk(content="\ude00b\ud83d"), END))
    assert message(model)["content"] == "a😀b\ufffd"


@pytest.mark.parametrize(
    "broken",
    [
        streams(chunk(content="ha"), end=None),
        streams(chunk(content="ha"), end=""),
        streams(chunk(content="ha"), '{"error": ', end=""),
        streams(chunk(content="ha"), "data: {oops\n\n"),
        streams(chunk(content="ha"), {"error": {"message": "overloaded", "code": 502}}),
        streams(chunk(content="ha"), {"error": "overloaded"}),
        streams(chunk(content="ha"), {"object": "error", "message": "overloaded", "code": 503}),
        streams(chunk(content="ha"), chunk(finish="error")),
        streams(chunk(0, content="a"), chunk(1, content="b"), chunk(0, finish="stop"), end=""),
        streams({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, end=""),
        streams(end=""),
        refuses(503),
    ],
)
def test_a_partial_answer_is_never_accepted(upstream: Upstream, model: OpenAIModel, broken: Any) -> None:
    upstream.script(broken, says("half no more"))
    assert message(model)["content"] == "half no more"
    assert len(upstream.requests()) == 2
    upstream.script(broken)
    with pytest.raises(InfraError, match="model endpoint"):
        model.complete(BODY)
    assert len(upstream.requests()) == ATTEMPTS


@pytest.mark.parametrize("end", ["", DONE])
def test_a_stream_is_whole_by_its_reason_or_by_done(upstream: Upstream, model: OpenAIModel, end: str) -> None:
    upstream.script(streams(chunk(content="whole"), *([] if end else [END]), end=end))
    made = model.complete(BODY)["choices"][0]
    assert (made["message"]["content"], made["finish_reason"]) == ("whole", "stop")


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (
            {"error": {"message": "This model's maximum context length is 9", "code": 400}},
            400,
            "context_length_exceeded",
        ),
        ({"error": {"message": "flagged", "code": 400}}, 400, "invalid_request"),
        ({"base_resp": {"status_code": 2013, "status_msg": "invalid params"}}, 400, "invalid_request"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_request_that_is_refused_with_status_200_is_not_retried(
    upstream: Upstream, event: dict[str, Any], status: int, code: str, stream: bool
) -> None:
    upstream.script(streams(event) if stream else raw(json.dumps(event)))
    with pytest.raises(RequestRefused) as caught:
        OpenAIModel(upstream.spec(stream=stream), 0.01).complete(BODY)
    assert (caught.value.status, caught.value.code, len(upstream.requests())) == (status, code, 1)


@pytest.mark.parametrize("status", [400, 422])
def test_an_endpoint_that_knows_no_stream_options_is_asked_without(
    upstream: Upstream, model: OpenAIModel, status: int
) -> None:
    upstream.script(refuses(status, message="Unknown parameter: 'stream_options'."), says("well", tokens=None))
    assert message(model)["content"] == "well"
    message(model)
    assert ["stream_options" in body for body in upstream.bodies()] == [True, False, False]
    assert all(body["stream"] for body in upstream.bodies())


def test_an_endpoint_that_does_not_stream_is_understood(upstream: Upstream, model: OpenAIModel) -> None:
    upstream.script(says("whole", streamed=False))
    assert message(model)["content"] == "whole"
    upstream.script(raw("<html>", headers={"content-type": "text/html"}))
    with pytest.raises(InfraError, match="is the base URL right"):
        model.complete(BODY)


@pytest.mark.parametrize(
    "slow",
    [
        after(5, says("late")),
        streams(chunk(content="then nothing"), 0.7, chunk(content="idle"), 5),
        streams(*[": still here\n\n", 0.05] * 100),
        raw("{", 0.7, " ", 5, headers=JSON),
    ],
    ids=["no first byte", "idle after a while", "comments alone", "whole and idle"],
)
def test_no_stream_outlives_a_trys_time(upstream: Upstream, slow: Any) -> None:
    upstream.script(slow, says("quick"))
    started = time.monotonic()
    assert message(OpenAIModel(upstream.spec(stream=True), 0.01, seconds=0.8))["content"] == "quick"
    assert time.monotonic() - started < 4, "less than each of these answers takes"


def test_a_huge_stream_is_the_endpoints_fault(
    upstream: Upstream, model: OpenAIModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "MAX_STREAM", 1_000_000)
    upstream.script(raw([": " + "x" * 100_000 + "\n", 12], headers=EVENTS))
    with pytest.raises(EndpointError, match="exceeds 1000000 bytes"):
        model.complete(BODY)
    assert len(upstream.requests()) == ATTEMPTS


def test_a_client_goes_on_after_each_kind_of_end(upstream: Upstream) -> None:
    model = OpenAIModel(upstream.spec(stream=True), 0.01, seconds=0.3)
    upstream.script(streams(chunk(content="a"), 2), says("b"), says("c"))
    assert message(model)["content"] == "b"
    time.sleep(0.1)
    assert message(model)["content"] == "c"
