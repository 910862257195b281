"""The Messages API at the gateway, spoken by the real `anthropic` client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from evolve.core.errors import InfraError, RequestRefused
from evolve.core.records import ModelSpec, Usage
from evolve.llm import open_model
from evolve.trial.gateway import Gateway
from evolve.trial.gateway.protocols import Reply, protocol_of
from evolve.trial.recorded import RecordedModel
from tests.fakes import completion, tool_call
from tests.test_gateway import call, model_of, serving
from tests.upstream import Upstream
from tests.vendors import function_call, message, reasoning, replies, responds, text, thinking, tool_use

USER: Any = {"role": "user", "content": "hi"}
LOOK: Any = {"name": "look", "description": "Look.", "input_schema": {"type": "object"}}
MODEL = ModelSpec("the-model")
MESSAGES = protocol_of("messages")
MARK: Any = {"cache_control": {"type": "ephemeral"}}
PNG: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
IMAGE: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


@contextmanager
def client(served: Gateway) -> Iterator[anthropic.Anthropic]:
    transport = httpx2.HTTPTransport(uds=str(served.path), verify=False)
    with (
        httpx2.Client(transport=transport) as http_client,
        anthropic.Anthropic(api_key="x", base_url="http://gateway", http_client=http_client, max_retries=0) as made,
    ):
        yield made


def inner(spec: ModelSpec = MODEL, **body: Any) -> Any:
    """The request in the form of chat completions."""
    return MESSAGES.chat_request({"messages": [USER], "max_tokens": 9, **body}, spec)


def reply(asked: dict[str, Any], answer: dict[str, Any]) -> Reply:
    return Reply(asked, answer, Usage(1, 10, 5, cached_tokens=3, cache_write_tokens=2))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_question_is_answered(tmp_path: Path, streamed: bool) -> None:
    asked: Any = {"model": "claude-x", "max_tokens": 50, "system": "Be brief.", "messages": [USER]}
    with serving(tmp_path) as served, client(served) as api:
        if streamed:
            with api.messages.stream(**asked) as stream:
                assert "".join(stream.text_stream) == "hello"
                final = stream.get_final_message()
        else:
            final = api.messages.create(**asked)
    assert final.model_dump(exclude_none=True)["content"] == [{"type": "text", "text": "hello"}]
    assert (final.model, final.stop_reason, final.usage.input_tokens, final.usage.output_tokens) == (
        "claude-x",
        "end_turn",
        10,
        10,
    )
    (request,) = model_of(served).requests
    assert (request["model"], request["max_tokens"]) == ("the-model", 50)
    assert request["messages"] == [{"role": "system", "content": "Be brief."}, USER]


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_are_called(tmp_path: Path, streamed: bool) -> None:
    calls = [tool_call("look", {"at": 1}, "call_1"), tool_call("look", {}, "call_2")]
    asked: Any = {"model": "m", "max_tokens": 50, "messages": [USER], "tools": [LOOK]}
    with serving(tmp_path, completion("See:", *calls), completion("Done."), usd=100) as served, client(served) as api:
        if streamed:
            with api.messages.stream(**asked) as stream:
                first = stream.get_final_message()
        else:
            first = api.messages.create(**asked)
        assert first.stop_reason == "tool_use"
        assert [(block.id, block.input) for block in first.content if block.type == "tool_use"] == [
            ("call_1", {"at": 1}),
            ("call_2", {}),
        ]
        results = [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "seen"},
            {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "x"}, PNG]},
            {"type": "text", "text": "Go on."},
        ]
        said = [block.model_dump(exclude_none=True) for block in first.content]
        turns = [USER, {"role": "assistant", "content": said}, {"role": "user", "content": results}]
        api.messages.create(**{**asked, "messages": turns})
    assert model_of(served).requests[1]["messages"] == [
        USER,
        {"role": "assistant", "content": "See:", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
        {"role": "tool", "tool_call_id": "call_2", "content": "x"},
        {"role": "user", "content": [IMAGE]},
        {"role": "user", "content": "Go on."},
    ]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"reasoning_content": "hm"}, "thinking"),
        ({"reasoning": "hm", "reasoning_details": [{"type": "t", "text": "hm"}]}, "thinking"),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "AAA"}]}, "redacted_thinking"),
    ],
)
def test_reasoning_comes_back_as_it_was(tmp_path: Path, fields: dict[str, Any], kind: str) -> None:
    answer = completion("Done.", tool_call("look", {"at": 1}))
    answer["choices"][0]["message"] |= fields
    asked: Any = {"model": "m", "max_tokens": 9, "messages": [USER], "tools": [LOOK]}
    with serving(tmp_path, answer) as served, client(served) as api, api.messages.stream(**asked) as stream:
        final = stream.get_final_message()
    assert final.content[0].type == kind
    said = [block.model_dump(exclude_none=True) for block in final.content]
    assert (
        inner(messages=[USER, {"role": "assistant", "content": said}])["messages"][1] == answer["choices"][0]["message"]
    )


@pytest.mark.parametrize("api", ["responses", "messages"])
def test_what_the_endpoint_wants_back_comes_back(upstream: Upstream, tmp_path: Path, api: str) -> None:
    items = [reasoning("rs_1", "AAA"), message("msg_1", "Looking."), function_call("call_1", "look", "{}")]
    blocks = [thinking("hm", "AAA"), {"type": "text", "text": "Looking."}, tool_use("call_1", "look", {})]
    scripts = {
        "responses": (responds(*items), responds(message("msg_2", "Done."))),
        "messages": (replies(*blocks, stop_reason="tool_use"), replies(text("Done."))),
    }
    upstream.script(*scripts[api])
    with serving(tmp_path, usd=100) as served, client(served) as anthropic_client:
        served.model = open_model(upstream.spec(api=api))
        asked: Any = {"model": "any", "max_tokens": 99, "tools": [LOOK]}
        first = anthropic_client.messages.create(**asked, messages=[USER])
        said = [block.model_dump(exclude_none=True) for block in first.content]
        result = {"type": "tool_result", "tool_use_id": "call_1", "content": "seen"}
        turns: Any = [USER, {"role": "assistant", "content": said}, {"role": "user", "content": [result]}]
        anthropic_client.messages.create(**asked, messages=turns)
    body = upstream.bodies()[1]
    assert (body["input"][1:-1] if api == "responses" else body["messages"][1]["content"]) == (
        items if api == "responses" else blocks
    )


MARKED: Any = {
    "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", **MARK}],
    "tools": [{**LOOK, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "c"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "e"},
                {"type": "tool_use", "id": "t", "name": "look", "input": {}, **MARK},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "seen", **MARK}]},
    ],
}


def test_marks_for_a_cache_reach_an_endpoint_of_the_same_api(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script(replies(text("Done.")))
    spec = upstream.spec(api="messages")
    with serving(tmp_path, usd=100) as served, client(served) as api:
        served.model = open_model(spec)
        served.door = served.door.__class__(**{**vars(served.door), "model": spec})
        api.messages.create(model="m", max_tokens=99, **MARKED)
    body = upstream.bodies()[0]
    assert body["system"] == MARKED["system"]
    assert [tool.get("cache_control") for tool in body["tools"]] == [{"type": "ephemeral", "ttl": "1h"}]
    first, middle, last = (turn["content"] for turn in body["messages"])
    assert first == MARKED["messages"][0]["content"]
    assert middle == MARKED["messages"][1]["content"]
    assert last[0]["content"] == [{"type": "text", "text": "seen", **MARK}]
    assert json.dumps(body).count("cache_control") == 4


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_marks_for_a_cache_do_no_harm_elsewhere(api: Any) -> None:
    request = inner(ModelSpec("m", api=api), **MARKED)
    assert "cache_control" not in json.dumps(request)
    assert request["messages"][0] == {"role": "system", "content": "a\nb"}


def test_too_many_marks_are_refused(tmp_path: Path) -> None:
    turns: Any = [{"role": "user", "content": [{"type": "text", "text": "a", **MARK}] * 5}]
    with (
        serving(tmp_path) as served,
        client(served) as api,
        pytest.raises(anthropic.BadRequestError, match="cache_con"),
    ):
        api.messages.create(model="m", max_tokens=9, messages=turns)


def test_settings_are_translated() -> None:
    request = inner(
        tools=[LOOK],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        thinking={"type": "enabled", "budget_tokens": 2000},
        metadata={"user_id": "u"},
        output_config={"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    )
    assert request == {
        "messages": [USER],
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}},
            }
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop": ["END"],
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}},
    }


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]}, "document"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]}, "base64"),
        ({"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]}, "server_tool_use"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search_20250305"),
        ({"mcp_servers": [{"type": "url", "url": "http://x", "name": "x"}]}, "mcp_servers"),
        ({"tools": [LOOK], "tool_choice": {"type": "odd"}}, "tool_choice"),
        ({"tools": [LOOK], "tool_choice": {"type": []}}, "tool_choice"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_not_supported_is_refused_by_name(
    tmp_path: Path, body: dict[str, Any], word: str, streamed: bool
) -> None:
    with serving(tmp_path) as served, client(served) as api:
        sent: Any = {"model": "m", "max_tokens": 9, "stream": streamed, "messages": [USER], **body}
        with pytest.raises(anthropic.BadRequestError, match=word) as caught:
            api.post("/v1/messages", body=sent, cast_to=object)
        assert caught.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index]
    assert model_of(served).requests == [] and served.refusals == {"invalid_request": 1} and served.fault is None


@pytest.mark.parametrize(
    ("answer", "limits", "error", "kind"),
    [
        (completion(), {"usd": 0.0}, anthropic.PermissionDeniedError, "permission_error"),
        (InfraError("down"), {}, anthropic.InternalServerError, "api_error"),
        (RequestRefused(429, "odd", "no"), {}, anthropic.PermissionDeniedError, "permission_error"),
        (RequestRefused(400, "context_length_exceeded", "long"), {}, anthropic.BadRequestError, "prompt is too long"),
    ],
)
def test_refusals_have_the_apis_own_form(
    tmp_path: Path, answer: Any, limits: dict[str, Any], error: type[anthropic.APIStatusError], kind: str
) -> None:
    with serving(tmp_path, answer, **limits) as served, client(served) as api:
        requests: list[object] = []
        api._client.event_hooks = {"request": [requests.append], "response": []}
        with pytest.raises(error, match=kind):
            api.with_options(max_retries=3).messages.create(model="m", max_tokens=9, messages=[USER])
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_tokens"), ("content_filter", "refusal"), ("stop", "end_turn")]
)
def test_why_an_answer_ended(finish: str, reason: str) -> None:
    answer = completion("x")
    answer["choices"][0]["finish_reason"] = finish
    assert MESSAGES.whole(reply({"messages": [USER]}, answer))["stop_reason"] == reason


def test_a_text_that_stopped_the_answer_is_named() -> None:
    answer = completion("x")
    answer["choices"][0]["stop_reason"] = "END"
    whole = MESSAGES.whole(reply({"stop_sequences": ["END"]}, answer))
    assert (whole["stop_reason"], whole["stop_sequence"]) == ("stop_sequence", "END")


def test_tokens_of_a_cache_are_not_among_the_input() -> None:
    counts = MESSAGES.whole(reply({}, completion()))["usage"]
    assert counts == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 3,
        "output_tokens": 5,
    }


def test_tokens_are_counted_without_a_call(tmp_path: Path) -> None:
    with serving(tmp_path, calls=1) as served, client(served) as api:
        counts = [
            api.messages.count_tokens(model="m", system="x" * 200, messages=[USER], tools=tools).input_tokens
            for tools in ([], [LOOK])
        ]
        with pytest.raises(anthropic.BadRequestError):
            api.messages.count_tokens(model="m", messages=[{"role": "odd", "content": "x"}])  # type: ignore[typeddict-item]
    assert 50 <= counts[0] < 90 and counts[1] > counts[0]
    assert model_of(served).requests == [] and len(served.events) == 0


def test_models_of_any_name(tmp_path: Path) -> None:
    with serving(tmp_path) as served, client(served) as api:
        assert [model.id for model in api.models.list()] == ["the-model"]
        assert api.models.retrieve("claude-haiku-4-5").id == "claude-haiku-4-5"
        assert call(served, "/v1/models/anthropic/claude")[1]["id"] == "anthropic/claude"


def test_calls_at_once(tmp_path: Path) -> None:
    def ask(number: int) -> str:
        answer = api.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": f"{number}"}])
        return answer.content[0].text if answer.content[0].type == "text" else ""

    with serving(tmp_path, usd=100) as served, client(served) as api, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(16))) == ["hello"] * 16
    assert served.budget.usage.calls == 16


def test_a_replay_gets_the_same_answers(tmp_path: Path) -> None:
    asked = {"model": "m", "max_tokens": 9, "messages": [USER], "tools": [LOOK]}
    with serving(tmp_path, completion(None, tool_call("look", {}))) as served:
        first = call(served, "/v1/messages", asked)
    with serving(tmp_path) as again:
        again.model = RecordedModel(served.events)
        assert call(again, "/v1/messages", asked) == first


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "reasoning_content": st.text(min_size=1, max_size=5),
        "reasoning_details": st.lists(st.dictionaries(st.text(), st.text(), min_size=1), min_size=1, max_size=2),
    },
)


@given(FIELDS, st.none() | st.text(min_size=1), st.lists(st.sampled_from(['{"a": "ü"}', "{}"]), max_size=3))
def test_an_answer_that_comes_back_is_the_same_message(
    fields: dict[str, Any], content: str | None, arguments: list[str]
) -> None:
    calls = [tool_call("look", given, f"call_{number}") for number, given in enumerate(arguments)]
    answer = completion(content if content or calls else "x", *calls)
    answer["choices"][0]["message"] |= fields
    whole = MESSAGES.whole(reply({"messages": [USER]}, answer))
    TypeAdapter(Message).validate_python(whole)
    turns = [USER, {"role": "assistant", "content": whole["content"]}]
    assert inner(messages=turns)["messages"] == [USER, answer["choices"][0]["message"]]


@pytest.mark.parametrize("arguments", ["{", "[1]", "", '{"a": NaN}'])
def test_arguments_that_are_no_object_are_passed_on_as_text(arguments: str) -> None:
    answer = completion(None, tool_call("look", arguments))
    (block,) = MESSAGES.whole(reply({}, answer))["content"]
    assert block["input"] == {"arguments": arguments}
