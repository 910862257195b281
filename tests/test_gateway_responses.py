"""The Responses API at the gateway, spoken by the real `openai` client."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response
from pydantic import TypeAdapter

from evolve.core.errors import RequestRefused
from evolve.core.records import ModelSpec, Usage
from evolve.llm import open_model
from evolve.trial.gateway.protocols import Reply, protocol_of
from evolve.trial.gateway.wire import Refusal
from evolve.trial.recorded import RecordedModel
from tests.fakes import completion, tool_call
from tests.test_gateway import call, client, model_of, serving
from tests.upstream import Upstream, says
from tests.vendors import PIXEL, function_call, message, reasoning, replies, responds, text, thinking, tool_use

LOOK: Any = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
PATCH: Any = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Change files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
}
GROUP: Any = {"type": "namespace", "name": "files", "description": "Of files.", "tools": [LOOK]}
MODEL = ModelSpec("the-model")
RESPONSES = protocol_of("responses")


def inner(**body: Any) -> Any:
    """The request in the form of chat completions."""
    return RESPONSES.chat_request({"input": "hi", **body}, MODEL)


def reply(asked: dict[str, Any], answer: dict[str, Any]) -> Reply:
    return Reply(asked, answer, Usage(1, 10, 5))


def thoughtful(**fields: Any) -> dict[str, Any]:
    answer = completion("Done.", tool_call("look", {"at": 1}))
    answer["choices"][0]["message"] |= fields
    return answer


@pytest.mark.parametrize("streamed", [False, True])
def test_a_question_is_answered(tmp_path: Path, streamed: bool) -> None:
    with serving(tmp_path) as served, client(served) as api:
        if streamed:
            with api.responses.stream(model="gpt-x", input="hi", instructions="Be brief.") as stream:
                kinds = [event.type for event in stream]
                final: Any = stream.get_final_response()
            assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
        else:
            final = api.responses.create(model="gpt-x", input="hi", instructions="Be brief.")
    assert (final.output_text, final.model, final.status) == ("hello", "gpt-x", "completed")
    assert (final.usage.input_tokens, final.usage.output_tokens, final.usage.total_tokens) == (10, 10, 20)
    (request,) = model_of(served).requests
    assert request["model"] == "the-model" and request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]
    assert [event["kind"] for event in served.events] == ["chat"]


@pytest.mark.parametrize("streamed", [False, True])
def test_functions_custom_tools_and_namespaces_are_called(tmp_path: Path, streamed: bool) -> None:
    calls = [
        tool_call("look", {"at": 1}, "call_1"),
        tool_call("apply_patch", {"input": "*** Begin"}, "call_2"),
        tool_call("files__look", {}, "call_3"),
    ]
    tools: Any = [LOOK, PATCH, GROUP]
    with serving(tmp_path, completion("See:", *calls), completion("Done.")) as served, client(served) as api:
        asked: Any = {"model": "m", "input": [{"role": "user", "content": "go"}], "tools": tools}
        if streamed:
            events = list(api.responses.create(**asked, stream=True))
            output = events[-1].response.output  # type: ignore[union-attr]
            deltas = {event.type: event.delta for event in events if event.type.endswith("input.delta")}  # type: ignore[union-attr]
            assert deltas == {"response.custom_tool_call_input.delta": "*** Begin"}
        else:
            output = api.responses.create(**asked).output
        assert [item.type for item in output] == ["message", "function_call", "custom_tool_call", "function_call"]
        looked, patched, grouped = output[1:]
        assert (looked.name, looked.arguments) == ("look", '{"at": 1}')  # type: ignore[union-attr]
        assert (patched.name, patched.input) == ("apply_patch", "*** Begin")  # type: ignore[union-attr]
        assert (grouped.name, grouped.namespace) == ("look", "files")  # type: ignore[union-attr]
        results = [
            {"type": "function_call_output", "call_id": "call_1", "output": "seen"},
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "ok"}]},
            {"type": "function_call_output", "call_id": "call_3", "output": ""},
        ]
        sent = [item.model_dump(exclude_none=True) for item in output]
        api.responses.create(model="m", input=[*asked["input"], *sent, *results], tools=tools)
    first, second = model_of(served).requests
    assert [tool["function"]["name"] for tool in first["tools"]] == ["look", "apply_patch", "files__look"]
    assert "start: /.+/" in first["tools"][1]["function"]["description"]
    assert second["messages"][1:] == [
        {"role": "assistant", "content": "See:", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
        {"role": "tool", "tool_call_id": "call_2", "content": "ok"},
        {"role": "tool", "tool_call_id": "call_3", "content": ""},
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "AAA"}]},
    ],
)
def test_reasoning_comes_back_as_it_was(fields: dict[str, Any]) -> None:
    answer = thoughtful(**fields)
    output = RESPONSES.whole(reply({"input": "hi"}, answer))["output"]
    assert [item["type"] for item in output] == ["reasoning", "message", "function_call"]
    shown = [part["text"] for part in output[0]["summary"]]
    assert shown == (["hm"] if "hm" in fields.values() else [])
    messages = inner(input=[{"role": "user", "content": "hi"}, *output])["messages"]
    assert messages[1] == answer["choices"][0]["message"]


@pytest.mark.parametrize("api", ["responses", "messages"])
def test_what_the_endpoint_wants_back_comes_back(upstream: Upstream, tmp_path: Path, api: str) -> None:
    items = [reasoning("rs_1", "AAA"), message("msg_1", "Looking."), function_call("call_1", "look", "{}")]
    blocks = [thinking("hm", "AAA"), {"type": "text", "text": "Looking."}, tool_use("call_1", "look", {})]
    scripts = {
        "responses": (responds(*items), responds(message("msg_2", "Done."))),
        "messages": (replies(*blocks, stop_reason="tool_use"), replies(text("Done."))),
    }
    upstream.script(*scripts[api])
    with serving(tmp_path, usd=100) as served, client(served) as openai_client:
        served.model = open_model(upstream.spec(api=api))
        asked: list[Any] = [{"role": "user", "content": "hi"}]
        first = openai_client.responses.create(model="any", input=asked, tools=[LOOK])
        result = {"type": "function_call_output", "call_id": "call_1", "output": "seen"}
        sent = [item.model_dump(exclude_none=True) for item in first.output]
        second = openai_client.responses.create(model="any", input=[*asked, *sent, result], tools=[LOOK])
    assert second.output_text == "Done."
    body = upstream.bodies()[1]
    assert (body["input"][1:-1] if api == "responses" else body["messages"][1]["content"]) == (
        items if api == "responses" else blocks
    )


def test_input_of_all_kinds() -> None:
    given = [
        {"role": "developer", "content": "Be kind."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": PIXEL, "detail": "low"}]},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": PIXEL}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
    ]
    messages = inner(instructions="Be brief.", input=given)["messages"]
    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    assert messages == [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        {"role": "user", "content": "a"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "(an image follows)"},
        {"role": "user", "content": [image]},
        {"role": "assistant", "content": "b"},
        {"role": "assistant", "content": "c"},
    ]


def test_settings_are_translated() -> None:
    form = {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}
    request = inner(
        text={"format": form, "verbosity": "low"},
        tools=[LOOK, PATCH],
        tool_choice={"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}]},
        parallel_tool_calls=False,
        max_output_tokens=9,
        temperature=0.5,
        reasoning={"effort": "high"},
        store=True,
        include=["reasoning.encrypted_content"],
    )
    schema = {"name": "a", "schema": {"type": "object"}, "strict": True}
    assert request.pop("response_format") == {"type": "json_schema", "json_schema": schema}
    assert [tool["function"]["name"] for tool in request.pop("tools")] == ["look"]
    del request["messages"]
    assert request == {
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_tokens": 9,
        "temperature": 0.5,
    }


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"tools": [{"type": "web_search"}]}, "web_search"),
        ({"tools": [LOOK], "tool_choice": {"type": "file_search"}}, "file_search"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "item_reference"),
        ({"input": [{"type": "computer_call"}]}, "computer_call"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input_file"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://x"}]}]}, "data: URL"),
        ({"input": {"role": "user"}}, "input"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_not_supported_is_refused_by_name(
    tmp_path: Path, body: dict[str, Any], word: str, streamed: bool
) -> None:
    with serving(tmp_path) as served, client(served) as api:
        with pytest.raises(openai.BadRequestError, match=word) as caught:
            api.responses.create(**{"model": "m", "input": "hi", "stream": streamed, **body})
        assert caught.value.code == "invalid_request"
    assert model_of(served).requests == [] and served.refusals == {"invalid_request": 1} and served.fault is None


def test_a_cut_off_answer_is_incomplete(tmp_path: Path) -> None:
    answer = completion("cut")
    answer["choices"][0]["finish_reason"] = "length"
    with serving(tmp_path, answer) as served, client(served) as api:
        response = api.responses.create(model="m", input="hi")
        assert response.status == "incomplete" and response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"
        *_, last = api.responses.create(model="m", input="hi", stream=True)
        assert last.type == "response.incomplete"


def test_a_spent_budget_and_a_refusal_of_the_endpoint_are_final(tmp_path: Path) -> None:
    with serving(tmp_path, RequestRefused(429, "odd", "no"), calls=1) as served, client(served) as api:
        with pytest.raises(openai.PermissionDeniedError, match="no"):
            api.with_options(max_retries=3).responses.create(model="m", input="hi")
        with pytest.raises(openai.PermissionDeniedError, match="budget"):
            api.with_options(max_retries=3).responses.create(model="m", input="hi")
    assert served.refusals == {"odd": 1, "budget": 1}


def test_calls_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, usd=100) as served, client(served) as api, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: api.responses.create(model="m", input=f"{n}").output_text, range(16)))
    assert answers == ["hello"] * 16 and served.budget.usage.calls == 16


def test_a_replay_gets_the_same_answers(tmp_path: Path) -> None:
    asked = {"model": "m", "input": "hi", "tools": [LOOK]}
    with serving(tmp_path, thoughtful(reasoning_content="hm")) as served:
        first = call(served, "/v1/responses", asked)
    with serving(tmp_path) as again:
        again.model = RecordedModel(served.events)
        assert call(again, "/v1/responses", asked) == first


def test_tokens_are_counted_without_a_call(tmp_path: Path) -> None:
    with serving(tmp_path) as served, client(served) as api:
        counted = api.responses.input_tokens.count(model="m", input="x" * 400)
    assert 100 <= counted.input_tokens < 150
    assert model_of(served).requests == [] and len(served.events) == 0


TEXTS = st.text(max_size=8)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "reasoning_content": st.text(min_size=1, max_size=5),
        "reasoning": st.text(min_size=1, max_size=5),
        "reasoning_details": st.lists(st.dictionaries(TEXTS, TEXTS, min_size=1), min_size=1, max_size=2),
    },
)


@given(FIELDS, st.none() | st.text(min_size=1), st.lists(st.sampled_from(['{"a": 1}', "{", "", "[]"]), max_size=3))
def test_an_answer_that_comes_back_is_the_same_message(
    fields: dict[str, Any], content: str | None, arguments: list[str]
) -> None:
    calls = [tool_call("look", given, f"call_{number}") for number, given in enumerate(arguments)]
    answer = completion(content if content or calls else "x", *calls)
    answer["choices"][0]["message"] |= fields
    whole = RESPONSES.whole(reply({"input": "hi", "tools": [LOOK]}, answer))
    TypeAdapter(Response).validate_python(whole)
    assert inner(input=whole["output"])["messages"] == [answer["choices"][0]["message"]]


@given(st.text(), st.lists(st.sampled_from(["a", '{"input": "b"}', '{"input": 1}', "{", ""]), max_size=2))
def test_a_stream_has_what_the_whole_answer_has(content: str, inputs: list[str]) -> None:
    calls = [tool_call("apply_patch", given, f"call_{number}") for number, given in enumerate(inputs)]
    answered = reply({"input": "hi", "tools": [PATCH]}, completion(content, *calls))
    events = [json.loads(event.partition("data: ")[2]) for event in RESPONSES.events(answered)]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"] == RESPONSES.whole(answered)
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == RESPONSES.whole(answered)["output"]
    assert "".join(RESPONSES.events(answered)).startswith(RESPONSES.opening(answered.asked))


def test_a_foreign_seal_is_left_out() -> None:
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAAA"}
    (message_sent,) = inner(input=[item])["messages"]
    assert message_sent == {"role": "assistant", "content": None, "reasoning_content": "hm"}


def test_a_refusal_names_no_more_than_it_must() -> None:
    with pytest.raises(Refusal) as caught:
        inner(input=[{"type": "x" * 10_000}])
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_forged_reasoning_gets_nothing_fetched(upstream: Upstream, tmp_path: Path, api: str) -> None:
    """What a client forges in the opaque field of its reasoning never reaches an endpoint as an item of its own."""
    item = {
        "type": "input_image",
        "image_url": "http://elsewhere/x",
        "source": {"type": "url", "url": "http://elsewhere/x"},
    }
    forms = ("openai-responses-v1", "anthropic-messages-v1")
    details = [{"type": "reasoning", "format": form, "index": 0, "item": item} for form in forms]
    sealed = base64.b64encode(json.dumps({"evolve": {"reasoning_details": details}}).encode()).decode()
    items = [
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "summary": [], "encrypted_content": sealed},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ]
    answers = {"chat": says(), "responses": responds(message("m", "Done.")), "messages": replies(text("Done."))}
    upstream.script(answers[api])
    with serving(tmp_path, usd=100) as served:
        served.model = open_model(upstream.spec(api=api))
        assert call(served, "/v1/responses", {"model": "m", "input": items, "tools": [LOOK]})[0] == 200
    assert "elsewhere" not in json.dumps(upstream.bodies())
