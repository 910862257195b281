"""The client for a model's API, against a real HTTP server that follows a script: answers that come whole."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from evolve.core.errors import BadInput, EndpointError, InfraError, RequestRefused
from evolve.core.records import ModelSpec, Usage
from evolve.llm import EmbeddedModel, answer, dialect_of, known_models, open_model, usage_of
from evolve.llm.client import ATTEMPTS, OpenAIModel
from tests.fakes import completion, tool_call
from tests.upstream import Upstream, raw, refuses, says

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def model(upstream: Upstream) -> OpenAIModel:
    """A client of the scripted endpoint that waits no longer than a moment."""
    return OpenAIModel(upstream.spec(), 0.01)


def test_an_answer_comes_back_as_a_dictionary(upstream: Upstream, model: OpenAIModel) -> None:
    answer = completion(None, tool_call("look", {"at": 1}))
    answer["choices"][0]["message"]["reasoning_content"] = "hm"
    upstream.script(raw(json.dumps(answer)))
    made = model.complete(BODY)
    assert made["choices"][0]["message"]["tool_calls"] == [tool_call("look", {"at": 1})]
    assert made["choices"][0]["message"]["reasoning_content"] == "hm"
    assert usage_of(made, ModelSpec("m", prompt_price=2.0, completion_price=4.0), BODY) == Usage(1, 10, 10, 6e-5, 0)


def test_every_key_reaches_the_endpoint_and_none_steers_the_client(upstream: Upstream, model: OpenAIModel) -> None:
    upstream.script(says())
    odd = {
        "temperature": 0.5, "top_k": 3, "extra_body": {"model": "dearer", "seed": 9}, "timeout": 0.000001,
        "extra_headers": {"Authorization": "Bearer other"}, "extra_query": {"a": "b"}, "seed": 1,
    }  # fmt: skip
    model.complete({**BODY, **odd, "stream": True})
    headers, sent = upstream.requests()[0]["headers"], upstream.bodies()[0]
    assert {key: value for key, value in sent.items() if key != "stream"} == {**BODY, **odd}
    assert not sent.get("stream")
    assert headers["authorization"] == "Bearer none"


def test_the_key_is_the_one_of_the_named_variable(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_TEST_KEY", "sk-test")
    upstream.script(says())
    OpenAIModel(upstream.spec(key_variable="EVOLVE_TEST_KEY")).complete(BODY)
    assert upstream.requests()[0]["headers"]["authorization"] == "Bearer sk-test"


def test_a_rate_limit_is_waited_for_as_long_as_it_asks(upstream: Upstream) -> None:
    upstream.script(refuses(429, "rate_limit_exceeded", retry_after="0"), says("after"))
    started = time.monotonic()
    made = OpenAIModel(upstream.spec()).complete(BODY)
    assert time.monotonic() - started < 0.9
    assert made["choices"][0]["message"]["content"] == "after"
    assert len(upstream.requests()) == 2


def test_a_long_wait_is_shortened(upstream: Upstream, model: OpenAIModel) -> None:
    upstream.script(refuses(429, "rate_limit_exceeded", retry_after="3600"), says())
    model.complete(BODY)
    assert len(upstream.requests()) == 2


@pytest.mark.parametrize(("status", "code"), [(502, None), (503, "overloaded"), (429, "rate_limit_exceeded")])
def test_persistent_faults_are_infrastructure_errors(
    upstream: Upstream, model: OpenAIModel, status: int, code: str | None
) -> None:
    upstream.script(refuses(status, code))
    with pytest.raises(InfraError, match="the reason"):
        model.complete(BODY)
    assert len(upstream.requests()) == ATTEMPTS


def test_an_unreachable_endpoint_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    spec = ModelSpec("m", f"http://127.0.0.1:{port}/v1")
    with pytest.raises(InfraError, match="model endpoint"):
        OpenAIModel(spec, longest_wait=0.01).complete(BODY)
    with pytest.raises(BadInput, match=f"nothing listens at 127.0.0.1:{port}"):
        known_models(spec)


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (400, "context_length_exceeded", "context_length_exceeded"),
        (400, None, "invalid_request"),
        (422, "odd", "odd"),
        (413, None, "request_too_large"),
    ],
)
def test_a_refused_request_is_not_retried(
    upstream: Upstream, model: OpenAIModel, status: int, code: str | None, told: str
) -> None:
    upstream.script(refuses(status, code))
    with pytest.raises(RequestRefused, match="the reason") as caught:
        model.complete(BODY)
    assert (caught.value.status, caught.value.code) == (status, told)
    assert len(upstream.requests()) == 1


def test_an_unknown_model_is_bad_input(upstream: Upstream, model: OpenAIModel) -> None:
    upstream.script(refuses(404, "bad"))
    with pytest.raises(BadInput, match="correct --model"):
        model.complete(BODY)
    assert len(upstream.requests()) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {**completion(), "choices": []},
        {**completion(), "choices": None},
        {**completion(), "choices": [{"index": 0, "finish_reason": "stop"}]},
        {},
        "<html>a proxy's page</html>",
    ],
)
def test_an_answer_without_a_choice_is_a_fault(upstream: Upstream, model: OpenAIModel, answer: Any) -> None:
    upstream.script(raw(answer if isinstance(answer, str) else json.dumps(answer)))
    with pytest.raises(InfraError, match="model endpoint"):
        model.complete(BODY)


@pytest.mark.parametrize(
    "reported",
    [
        None,
        {},
        "much",
        {"prompt_tokens": None, "completion_tokens": 0},
        {"prompt_tokens": "many", "completion_tokens": -5},
        {"prompt_tokens": True, "completion_tokens": 1.5},
    ],
)
def test_usage_that_is_not_reported_is_estimated_from_the_texts(reported: Any) -> None:
    spec = ModelSpec("m", prompt_price=1.0, completion_price=1.0)
    asked = {**BODY, "messages": [{"role": "user", "content": "x" * 4000}]}
    used = usage_of({**completion("y" * 400), "usage": reported}, spec, asked)
    assert used.calls == 1
    assert 1000 <= used.prompt_tokens < 1050 and 100 <= used.completion_tokens < 150
    assert used.cost_usd == pytest.approx((used.prompt_tokens + used.completion_tokens) / 1e6)


def test_a_huge_answer_is_the_requests_fault_only_if_it_asks_for_probabilities(
    upstream: Upstream, model: OpenAIModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "MAX_ANSWER", 1_000_000)
    upstream.script(raw(["x" * 100_000, 12]))
    with pytest.raises(EndpointError, match="exceeds 1000000 bytes"):
        model.complete(BODY)
    with pytest.raises(RequestRefused) as caught:
        model.complete(BODY | {"logprobs": True})
    assert caught.value.code == "answer_too_large"


def test_an_answer_that_breaks_off_is_retried(upstream: Upstream, model: OpenAIModel) -> None:
    upstream.script(raw("{", None), says("whole"))
    assert model.complete(BODY)["choices"][0]["message"]["content"] == "whole"


def test_half_characters_and_odd_numbers_do_not_get_in(upstream: Upstream, model: OpenAIModel) -> None:
    text = json.dumps(completion("a\ud800b")).replace('"created": 0', '"created": NaN')
    upstream.script(raw(text))
    made = model.complete(BODY)
    assert made["choices"][0]["message"]["content"] == "a\ufffdb"
    json.dumps(made, allow_nan=False, ensure_ascii=False).encode()


def test_the_models_of_an_endpoint_are_listed(upstream: Upstream) -> None:
    spec = upstream.spec()
    upstream.script(raw(json.dumps({"object": "list", "data": [{"id": "a"}, {"id": "b"}]})))
    assert known_models(spec) == ["a", "b"]
    upstream.script(refuses(404))
    assert known_models(spec) == []
    upstream.script(refuses(401))
    with pytest.raises(BadInput, match="key"):
        known_models(spec)
    assert "embedded" in known_models(ModelSpec("embedded"))


def test_the_embedded_model_needs_no_endpoint(upstream: Upstream) -> None:
    assert isinstance(open_model(ModelSpec("embedded")), EmbeddedModel)
    assert not isinstance(open_model(ModelSpec("embedded", upstream.base_url)), EmbeddedModel)
    assert not isinstance(open_model(ModelSpec("gpt")), EmbeddedModel)


@pytest.mark.parametrize("text_tools", [False, True])
def test_what_a_client_finds_out_can_be_read_through_all_that_wraps_it(upstream: Upstream, text_tools: bool) -> None:
    model = open_model(ModelSpec("m", upstream.base_url, text_tools=text_tools))
    assert (dialect := dialect_of(model)) and not dialect.streams
    assert dialect_of(open_model(ModelSpec("embedded"))) is None
