"""The Responses API: requests and answers in the form of chat completions, over the real client and a real server."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseInputItemParam, ResponseStreamEvent
from openai.types.responses import response as response_types
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from evolve.core.errors import AccountError, EndpointError, InfraError, RequestRefused
from evolve.core.records import ModelSpec, Usage
from evolve.llm import answer, open_model
from evolve.llm.fields import UNSUPPORTED, unsupported_parameters
from evolve.llm.pieces import Piece, describe_pieces
from evolve.llm.responses.answer import merge_events, to_completion
from evolve.llm.responses.items import FORMAT
from evolve.llm.responses.model import ResponsesModel
from evolve.llm.responses.request import to_request
from evolve.loop.propose import direct
from tests.fakes import tool_call
from tests.test_propose import GOOD, arguments, brief
from tests.upstream import Upstream, after, raw, refuses
from tests.vendors import (
    JSON_VALUES,
    SCHEMA,
    TOOL,
    assert_valid,
    conversations,
    events,
    function_call,
    message,
    odd_requests,
    plain,
    reasoning,
    responds,
    response,
    response_events,
)

REQUEST = TypeAdapter(ResponseCreateParamsNonStreaming)
ITEMS = TypeAdapter(list[ResponseInputItemParam])
SPEC = ModelSpec("m", api="responses")
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [TOOL], "max_tokens": 50}
HTTP = httpx2.Request("POST", "http://host/v1/responses")
FOUR = (
    reasoning("rs_1", "AAA", "I look."),
    message("msg_1", "Looking.", phase="commentary"),
    function_call("call_1", "look", '{"at": null}'),
    function_call("call_2", "look", "{}", "fc_2"),
)


def model(upstream: Upstream, **spec: Any) -> ResponsesModel:
    return ResponsesModel(upstream.spec(api="responses", **spec), 0.01)


def answer_of(*output: Any, **odd: Any) -> dict[str, Any]:
    """The chat message of a response with these items."""
    made: dict[str, Any] = to_completion(response(*output, **odd), HTTP)["choices"][0]["message"]
    return made


def sent_back(said: dict[str, Any], **spec: Any) -> list[dict[str, Any]]:
    """The items that an assistant's message becomes in the next request."""
    items: list[dict[str, Any]] = to_request({"model": "m", "messages": [said]}, ModelSpec("m", **spec))["input"]
    return items


# --- requests ---


@given(conversations())
def test_any_conversation_becomes_a_request_of_the_vendors_types(body: dict[str, Any]) -> None:
    assert_valid(REQUEST, to_request(body, SPEC))


def test_a_request_has_the_conversation_and_all_that_the_api_knows() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}}
    body = {
        **BODY,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "see"}, image]},
            {"role": "assistant", "content": "", "tool_calls": [tool_call("look", "")]},
            {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
        ],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "temperature": 0.5,
        "top_p": 0.9,
        "parallel_tool_calls": False,
        "response_format": SCHEMA,
    }
    extra = '{"reasoning": {"summary": "auto"}, "service_tier": "flex"}'
    assert to_request(body, ModelSpec("m", effort="high", extra_body=extra)) == {
        "model": "m",
        "input": [
            {"type": "message", "role": "system", "content": "Be brief."},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "see"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
                ],
            },
            {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "seen"},
        ],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 50,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}}},
        "tools": [
            {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": False}
        ],
        "tool_choice": {"type": "function", "name": "look"},
        "parallel_tool_calls": False,
        "service_tier": "flex",
    }


@given(conversations())
def test_what_the_protocol_has_no_field_for_changes_nothing(body: dict[str, Any]) -> None:
    unsupported = dict.fromkeys(unsupported_parameters("responses"), 1)
    assert to_request(body | unsupported, SPEC) == to_request(
        {key: value for key, value in body.items() if key not in unsupported}, SPEC
    )


def test_the_parameters_that_protocols_lack() -> None:
    assert set(UNSUPPORTED) == {"chat", "responses", "messages"}
    assert unsupported_parameters("chat") == frozenset()
    assert {"seed", "top_k", "stop"} <= unsupported_parameters("responses")
    assert not {"temperature", "top_p", "max_tokens", "tools"} & unsupported_parameters("responses")
    assert "top_k" not in unsupported_parameters("messages") and "seed" in unsupported_parameters("messages")


def test_what_the_endpoint_refuses_is_not_sent() -> None:
    refused = ("temperature", "reasoning_effort", "include", "max_tokens")
    spec = ModelSpec("m", effort="low", parameters=tuple((name, "") for name in refused))
    request = to_request({**BODY, "temperature": 1, "top_p": 0.5}, spec)
    assert not {"temperature", "reasoning", "include", "max_output_tokens"} & set(request) and request["top_p"] == 0.5


def test_the_smallest_limit_is_the_apis() -> None:
    assert to_request({**BODY, "max_tokens": 3}, SPEC)["max_output_tokens"] == 16


# --- answers ---


def test_an_answer_has_the_form_of_a_chat_completion() -> None:
    completion = to_completion(response(*FOUR, service_tier="default"), HTTP)
    said = completion["choices"][0]["message"]
    assert said["content"] == "Looking." and said["reasoning_content"] == "I look."
    assert said["tool_calls"] == [tool_call("look", '{"at": null}'), tool_call("look", "{}", "call_2")]
    assert completion["choices"][0]["finish_reason"] == "tool_calls"
    assert completion["usage"] == {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }
    assert [completion[key] for key in ("id", "created", "model", "service_tier")] == ["resp_1", 1, "gpt", "default"]


@pytest.mark.parametrize(
    ("status", "details", "finish"),
    [
        ("completed", None, "stop"),
        ("incomplete", {"reason": "max_output_tokens"}, "length"),
        ("incomplete", {"reason": "content_filter"}, "content_filter"),
        ("incomplete", None, "length"),
    ],
)
def test_how_an_answer_ended(status: str, details: Any, finish: str) -> None:
    completion = to_completion(response(message("m", "yes"), status=status, incomplete_details=details), HTTP)
    assert completion["choices"][0]["finish_reason"] == finish


def test_a_refusal_is_one() -> None:
    part = {"type": "refusal", "refusal": "I won't."}
    said = answer_of(reasoning("rs_1"), message("msg_1", "", content=[part]))
    assert said["refusal"] == "I won't." and said["content"] is None
    assert sent_back(said, keep_reasoning=True) == [{"type": "message", "role": "assistant", "content": "I won't."}]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": "invalid_prompt", "message": "no"}, RequestRefused),
        ({"code": "image_too_large", "message": "no"}, RequestRefused),
        ({"code": "insufficient_quota", "message": "no"}, AccountError),
        ({"code": "server_error", "message": "This model's maximum context length is 10"}, RequestRefused),
        ({"code": "server_error", "message": "no"}, openai.APIConnectionError),
        ({"code": "rate_limit_exceeded", "message": "no"}, openai.APIConnectionError),
    ],
)
def test_a_failed_answer_says_whose_fault_it_is(error: Any, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        to_completion(response(status="failed", error=error), HTTP)


# --- what goes back ---


def test_an_unchanged_message_becomes_the_very_items_again() -> None:
    assert sent_back(answer_of(*FOUR)) == list(FOUR)


@st.composite
def outputs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Output items in any order; ids are different, and no message is empty."""
    kinds = draw(st.lists(st.sampled_from(["reasoning", "message", "call"]), min_size=1, max_size=6))
    texts = draw(st.lists(st.text(min_size=1, max_size=9), min_size=6, max_size=6))
    phase = draw(st.sampled_from([{}, {"phase": "commentary"}]))
    made = {
        "reasoning": lambda n: reasoning(f"rs_{n}", texts[n]),
        "message": lambda n: message(f"m_{n}", texts[n], **phase),
    }
    made["call"] = lambda n: function_call(f"call_{n}", "look", "{}", f"fc_{n}")
    return [made[kind](number) for number, kind in enumerate(kinds)]


@given(outputs())
def test_any_answer_with_reasoning_goes_back_as_it_came(output: list[dict[str, Any]]) -> None:
    said = answer_of(*output)
    back = sent_back(said, keep_reasoning=True)
    plain(ITEMS.validate_python(back))
    if said.get("reasoning_details") is None:
        assert not any(item["type"] == "reasoning" or "id" in item for item in back)
        return
    # Reasoning that nothing follows was cut off; the API refuses it.
    while output and output[-1]["type"] == "reasoning":
        output.pop()
    assert back == output


@pytest.mark.parametrize("changes", [{"tool_calls": None}, {"tool_calls": [tool_call("look", {})]}, {"content": None}])
def test_a_changed_message_goes_back_without_reasoning(changes: dict[str, Any]) -> None:
    items = sent_back({**answer_of(*FOUR), **changes}, keep_reasoning=True)
    assert items and not any(item["type"] == "reasoning" or "id" in item for item in items)


def test_a_message_that_was_built_anew_goes_back_without_reasoning() -> None:
    said = answer_of(*FOUR)
    rebuilt = {key: said[key] for key in ("role", "content", "tool_calls")}
    assert [item["type"] for item in sent_back(rebuilt)] == ["message", "function_call", "function_call"]


def test_reasoning_for_a_finished_answer_goes_back_if_the_model_wants_it() -> None:
    said = answer_of(reasoning("rs_1"), message("msg_1", "Done.", phase="final_answer"))
    assert [item["type"] for item in sent_back(said, keep_reasoning=True)] == ["reasoning", "message"]
    label = {"type": "message", "role": "assistant", "content": "Done.", "phase": "final_answer"}
    assert sent_back(said) == [label]


@pytest.mark.parametrize("details", ["text", [3], [{"type": "reasoning"}], [{"format": "openai-responses-v1"}]])
def test_details_of_others_are_ignored(details: Any) -> None:
    said = {"role": "assistant", "content": "yes", "reasoning_details": details}
    assert sent_back(said, keep_reasoning=True) == [{"type": "message", "role": "assistant", "content": "yes"}]


@given(odd_requests())
def test_no_request_of_a_scaffold_is_an_error_of_ours(body: dict[str, Any]) -> None:
    json.dumps(to_request(body, ModelSpec("m", keep_reasoning=True)))


@given(JSON_VALUES)
def test_no_answer_of_an_endpoint_is_an_error_of_ours(value: Any) -> None:
    for read in (to_completion, lambda answer, request: to_completion(merge_events([answer], request), request)):
        with contextlib.suppress(RequestRefused, AccountError, openai.APIConnectionError):
            json.dumps(read(value, HTTP))


def test_a_scaffold_can_send_no_items_but_these() -> None:
    fetching = {"type": "item_reference", "server_url": "http://elsewhere", "id": "x"}
    notes = describe_pieces([Piece("reasoning", fetching), Piece("text", fetching, "yes")], FORMAT)
    said = {"role": "assistant", "content": "yes", "reasoning_details": notes}
    assert [item["type"] for item in sent_back(said, keep_reasoning=True)] == ["reasoning", "message"]
    assert "elsewhere" not in json.dumps(sent_back(said, keep_reasoning=True))


# --- over the wire ---


def test_the_answers_of_these_tests_are_the_vendors() -> None:
    whole = response(*FOUR)
    response_types.Response.model_validate(whole)
    for event in response_events(whole):
        TypeAdapter(ResponseStreamEvent).validate_python(event)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_over_the_wire(upstream: Upstream, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_TEST_KEY", "sk-test")
    upstream.script(responds(*FOUR))
    asked = model(upstream, stream=stream, key_variable="EVOLVE_TEST_KEY", headers=(("x-team", "blue"),))
    completion = asked.complete({**BODY, "timeout": 0.00001, "extra_headers": {"Authorization": "other"}})
    request = upstream.requests()[0]
    assert request["path"] == "/v1/responses"
    assert request["headers"]["authorization"] == "Bearer sk-test" and request["headers"]["x-team"] == "blue"
    assert bool(request["body"].pop("stream", False)) is stream
    assert request["body"] == to_request(BODY, SPEC)
    said = completion["choices"][0]["message"]
    assert [call["id"] for call in said["tool_calls"]] == ["call_1", "call_2"]
    assert said["reasoning_details"][0]["item"]["encrypted_content"] == "AAA"
    assert sent_back(said) == list(FOUR)


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_with_tools_hands_the_reasoning_back(upstream: Upstream, stream: bool) -> None:
    look = function_call("call_1", "search_trials", '{"words": "stuck"}')
    near = function_call("call_2", "propose", arguments_text(), "fc_2")
    upstream.script(responds(reasoning("rs_1", "AAA"), look), responds(reasoning("rs_2", "BBB"), near))
    spec = upstream.spec(api="responses", stream=stream)
    written = direct(open_model(spec), spec, brief(), 1, lambda proposal: None)
    assert written.proposal.edits and written.proposal.usage.calls == 2
    items = upstream.bodies()[1]["input"]
    assert items[2:4] == [reasoning("rs_1", "AAA"), look] and items[4]["type"] == "function_call_output"


def arguments_text() -> str:
    text: str = tool_call("propose", arguments(*GOOD))["function"]["arguments"]
    return text


def test_faults_are_retried_and_reported(upstream: Upstream) -> None:
    upstream.script(refuses(503), raw("{", None), responds(message("m", "yes")))
    lost: list[Usage] = []
    assert model(upstream).complete(BODY, lost.append)["choices"][0]["message"]["content"] == "yes"
    assert sum(usage.retries for usage in lost) == 2


def test_a_stream_that_breaks_off_is_retried(upstream: Upstream) -> None:
    steps = list(response_events(response(message("m", "yes"))))
    upstream.script(events(*steps[:-1], end=None), events(*steps[:-1]), events(*steps))
    assert model(upstream, stream=True).complete(BODY)["choices"][0]["message"]["content"] == "yes"
    assert len(upstream.requests()) == 3


def test_a_last_event_without_the_output_is_completed_from_its_items(upstream: Upstream) -> None:
    *steps, last = response_events(response(*FOUR))
    upstream.script(events(*steps, {**last, "response": {**last["response"], "output": []}}))
    said = model(upstream, stream=True).complete(BODY)["choices"][0]["message"]
    assert sent_back(said) == list(FOUR)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "error", [{"code": "invalid_prompt", "message": "no"}, {"code": "context_length_exceeded", "message": "too long"}]
)
def test_a_failure_in_an_answer_is_no_retry(upstream: Upstream, stream: bool, error: Any) -> None:
    upstream.script(responds(status="failed", error=error))
    with pytest.raises(RequestRefused):
        model(upstream, stream=stream).complete(BODY)
    assert len(upstream.requests()) == 1


def test_an_error_event_is_classified(upstream: Upstream) -> None:
    error = {"type": "error", "code": "insufficient_quota", "message": "no", "param": None, "sequence_number": 1}
    upstream.script(events(error))
    with pytest.raises(AccountError):
        model(upstream, stream=True).complete(BODY)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "context_length_exceeded", RequestRefused),
        (400, None, RequestRefused),
        (401, None, AccountError),
        (429, "insufficient_quota", AccountError),
        (500, None, InfraError),
    ],
)
def test_statuses_are_classified_as_for_chat(
    upstream: Upstream, status: int, code: str | None, expected: type[Exception]
) -> None:
    upstream.script(refuses(status, code))
    with pytest.raises(expected, match="the reason"):
        model(upstream).complete(BODY)


@pytest.mark.parametrize("problem", ["invalid_encrypted_content", "Encrypted content is not supported"])
def test_reasoning_that_the_endpoint_cannot_use_is_left_out(upstream: Upstream, problem: str) -> None:
    body = {**BODY, "messages": [*BODY["messages"], answer_of(*FOUR)]}  # type: ignore[misc]
    upstream.script(refuses(400, "invalid_request_error", problem), responds(message("m", "yes")))
    assert model(upstream).complete(body)["choices"][0]["message"]["content"] == "yes"
    first, second = upstream.bodies()
    assert any(item["type"] == "reasoning" for item in first["input"]) and first["include"]
    assert not any(item["type"] == "reasoning" for item in second["input"]) and "include" not in second


def test_a_field_of_ours_that_is_refused_is_sent_no_more(upstream: Upstream) -> None:
    upstream.script(refuses(400, "unsupported_parameter", "store: not for you"), responds(message("m", "yes")))
    asked = model(upstream)
    for _ in range(2):
        assert asked.complete(BODY)["choices"][0]["message"]["content"] == "yes"
    assert ["store" in body for body in upstream.bodies()] == [True, False, False]


@pytest.mark.parametrize(
    "answer", ["<html>a proxy's page</html>", "{}", "[]", '{"output": 3}', '{"status": "queued", "output": []}']
)
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
def test_an_answer_that_trickles_in_ends_in_time(upstream: Upstream, stream: bool) -> None:
    slow = after(3, responds(message("m", "late")))
    upstream.script(slow, responds(message("m", "yes")))
    started = time.monotonic()
    asked = ResponsesModel(upstream.spec(api="responses", stream=stream), 0.01, 0.3)
    assert asked.complete(BODY)["choices"][0]["message"]["content"] == "yes"
    assert time.monotonic() - started < 2


def test_half_characters_become_whole(upstream: Upstream) -> None:
    upstream.script(responds(message("m", "a\ud800b")))
    assert model(upstream).complete(BODY)["choices"][0]["message"]["content"] == "a\ufffdb"


def test_a_reported_cost_is_kept() -> None:
    counts = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10, "cost_in_usd_ticks": 20_000_000}
    response = {"status": "completed", "model": "m", "output": [], "usage": counts}
    usage = to_completion(response, HTTP)["usage"]
    assert usage["prompt_tokens"] == 7 and usage["cost_in_usd_ticks"] == 20_000_000 and "input_tokens" not in usage
