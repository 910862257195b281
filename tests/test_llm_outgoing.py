"""What leaves the client: the facts of a model in the request, and messages in the form that strict servers take."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.errors import BadInput, RequestRefused
from evolve.core.records import ModelSpec
from evolve.llm import open_model
from evolve.llm.client import OpenAIModel
from evolve.llm.outgoing import adapted_request, endpoint_fields, strict_messages
from tests.fakes import tool_call
from tests.upstream import Upstream, says

USER = {"role": "user", "content": "hi"}
BODY = {"model": "m", "messages": [USER], "max_tokens": 900, "seed": 7}
CALL = tool_call("look", {})


def sent(upstream: Upstream, body: dict[str, Any] = BODY, **facts: Any) -> dict[str, Any]:
    """The request that reaches the endpoint of a model with these facts."""
    upstream.script(says())
    OpenAIModel(upstream.spec(**facts)).complete(body)
    body_sent: dict[str, Any] = upstream.bodies()[0]
    return body_sent


@pytest.mark.parametrize(
    ("facts", "fields"),
    [
        ({"parameters": (("max_tokens", "max_completion_tokens"), ("seed", "random_seed"))},
         {"max_completion_tokens": 900, "random_seed": 7}),
        ({"parameters": (("seed", ""), ("max_tokens", ""), ("stream", ""))}, {"stream": None}),
        ({"parameters": (("model", ""),)}, {"model": None, "max_tokens": 900, "seed": 7}),
        ({"extra_body": '{"provider": {"order": ["a"]}, "seed": 1}'},
         {"provider": {"order": ["a"]}, "seed": 1, "max_tokens": 900}),
        ({"effort": "none"}, {"reasoning_effort": "none", "max_tokens": 900, "seed": 7}),
        ({"effort": "low", "parameters": (("reasoning_effort", "effort"),)},
         {"effort": "low", "max_tokens": 900, "seed": 7}),
        ({"answer_tokens": 512}, {"max_tokens": 512, "seed": 7}),
        ({"answer_tokens": 8192}, {"max_tokens": 900, "seed": 7}),
        ({"sampling": (("temperature", 0.5), ("top_k", 3))},
         {"temperature": 0.5, "top_k": 3, "max_tokens": 900, "seed": 7}),
    ],
)  # fmt: skip
def test_the_facts_of_a_model_are_in_its_requests(
    upstream: Upstream, facts: dict[str, Any], fields: dict[str, Any]
) -> None:
    whole = {"model": "m", "messages": [USER], "stream": False, **fields}
    assert sent(upstream, **facts) == {key: value for key, value in whole.items() if value is not None}


def test_what_a_request_sets_itself_is_kept(upstream: Upstream) -> None:
    asked = {**BODY, "reasoning_effort": "high", "temperature": 0.1, "stream_options": {"x": 1}}
    made = sent(upstream, asked, effort="low", sampling=(("temperature", 0.5),))
    assert (made["reasoning_effort"], made["temperature"]) == ("high", 0.1)
    assert "stream_options" not in made


@pytest.mark.parametrize("text", ["{oops", "[1]", "[" * 100_000])
def test_extra_fields_must_be_an_object(text: str) -> None:
    with pytest.raises(BadInput, match="extra_body"):
        endpoint_fields(BODY, ModelSpec("m", extra_body=text))
    with pytest.raises(BadInput, match="extra_body"):
        OpenAIModel(ModelSpec("m", extra_body=text))


def test_headers_are_sent_with_every_request(upstream: Upstream) -> None:
    upstream.script(says())
    OpenAIModel(upstream.spec(headers=(("X-Team", "lab"),))).complete(BODY)
    assert upstream.requests()[0]["headers"]["x-team"] == "lab"


def test_a_model_may_never_be_asked_to_stream(upstream: Upstream) -> None:
    assert "stream" not in sent(upstream, stream=True, parameters=(("stream", ""),))
    options = sent(upstream, stream=True, parameters=(("stream_options", ""),))
    assert options["stream"] and "stream_options" not in options


@pytest.mark.parametrize(
    ("message", "strict"),
    [
        ({"role": "assistant", "tool_calls": [CALL]}, {"role": "assistant", "tool_calls": [CALL], "content": ""}),
        ({"role": "assistant", "content": None, "tool_calls": [CALL]},
         {"role": "assistant", "content": "", "tool_calls": [CALL]}),
        ({"role": "assistant", "content": "a", "tool_calls": []}, {"role": "assistant", "content": "a"}),
        ({"role": "assistant", "content": "a", "tool_calls": None}, {"role": "assistant", "content": "a"}),
        ({"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
         {"role": "assistant", "content": "a\nb"}),
        ({"role": "tool", "tool_call_id": "a"}, {"role": "tool", "tool_call_id": "a", "content": ""}),
        ({"role": "tool", "content": {"a": 1}}, {"role": "tool", "content": '{"a": 1}'}),
        ({"role": "tool", "content": [{"type": "text", "text": "a"}]}, {"role": "tool", "content": "a"}),
        ({"role": "user", "content": [{"type": "text", "text": "a"}], "name": "x"},
         {"role": "user", "content": "a", "name": "x"}),
        ({"role": "system", "content": [{"type": "text", "text": "a", "cache_control": {}}]},
         {"role": "system", "content": [{"type": "text", "text": "a", "cache_control": {}}]}),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]},
         {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}),
        ("no message", "no message"),
    ],
)  # fmt: skip
def test_messages_are_strict(message: Any, strict: Any) -> None:
    assert strict_messages([message], keep_reasoning=True) == [strict]


@pytest.mark.parametrize(
    ("arguments", "text"), [("", "{}"), (None, "{}"), ({"a": 1}, '{"a": 1}'), ("{broken", "{broken")]
)
def test_calls_are_strict(arguments: Any, text: str) -> None:
    call = {"function": {"name": "look", "arguments": arguments}, "extra_content": {"google": {}}}
    [message] = strict_messages([{"role": "assistant", "content": "", "tool_calls": [call]}], keep_reasoning=False)
    [made] = message["tool_calls"]
    assert made["id"] and made["type"] == "function" and made["extra_content"] == {"google": {}}
    assert made["function"] == {"name": "look", "arguments": text}
    assert strict_messages([message], keep_reasoning=False) == [message]


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "function"]), inner),
    max_leaves=6,
)
fields = {"content": values, "tool_calls": values, "reasoning": values, "tool_call_id": values}
roles = st.sampled_from(["assistant", "tool", "user", "system"])
messages = st.fixed_dictionaries({"role": roles}, optional=fields) | values


@given(st.lists(messages, max_size=4), st.booleans())
def test_any_messages_become_strict_ones_once(made: list[Any], keep: bool) -> None:
    before = repr(made)
    strict = strict_messages(made, keep)
    assert repr(made) == before and len(strict) == len(made)
    assert strict_messages(strict, keep) == strict
    for message in strict:
        if isinstance(message, dict) and message.get("role") in ("assistant", "tool"):
            assert message["content"] is not None


def test_a_prompt_that_cant_fit_is_refused_before_it_is_sent() -> None:
    with pytest.raises(RequestRefused) as caught:
        adapted_request({**BODY, "messages": [{**USER, "content": "x" * 9_000}]}, ModelSpec("m", context_tokens=1_000))
    assert caught.value.code == "context_length_exceeded"


def test_tools_in_text_leave_with_the_facts_too(upstream: Upstream) -> None:
    look = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    history = [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "content": None}]
    upstream.script(says('<tool_call>{"name": "look"}</tool_call>'))
    spec = upstream.spec(text_tools=True, parameters=(("max_tokens", "n_predict"), ("seed", "")), effort="low")
    answer = open_model(spec).complete({**BODY, "messages": history, "tools": [look]})
    body = upstream.bodies()[0]
    assert (body["n_predict"], body["reasoning_effort"]) == (900, "low") and "tools" not in body
    assert all(isinstance(message["content"], str) for message in body["messages"])
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}
