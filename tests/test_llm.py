"""The client for a model's API, against a real HTTP server that follows a script."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from evolve.errors import BadInput, InfraError, RequestRefused
from evolve.llm import (
    ATTEMPTS,
    MAX_ANSWER,
    EmbeddedModel,
    OpenAIModel,
    TimeOver,
    known_models,
    open_model,
    usage_of,
)
from evolve.records import ModelSpec, Usage
from tests.fakes import completion, tool_call

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
Reply = tuple[int, Any]


class Endpoint:
    """Answers each request with the next (status, body); the last one for ever. A body of text is sent as it is.

    A list is sent piece by piece, 50 milliseconds apart if they are small; an exception in it breaks the answer off.
    """

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.headers: dict[str, str] = {}
        self.seen: list[tuple[dict[str, str], Any]] = []
        self.port = 0
        self.delay = 0.0

    async def handle(self, request: Request) -> Response:
        data = await request.body()
        self.seen.append((dict(request.headers), json.loads(data) if data else None))
        status, body = self.replies[min(len(self.seen), len(self.replies)) - 1]
        await asyncio.sleep(self.delay)
        if isinstance(body, list):
            return StreamingResponse(_pieces(body), status)
        if isinstance(body, str):
            return Response(body, status, self.headers)
        return JSONResponse(body, status, self.headers)

    def script(self, *replies: Reply, **headers: str) -> None:
        self.replies, self.seen, self.delay = list(replies), [], 0.0
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @cached_property
    def model(self) -> OpenAIModel:
        return self.patient_model(0.01)

    def patient_model(self, longest_wait: float) -> OpenAIModel:
        return OpenAIModel(ModelSpec("m", self.url, "EVOLVE_TEST_NO_KEY"), longest_wait)


async def _pieces(pieces: list[Any]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        await asyncio.sleep(0 if len(piece) > 1 else 0.05)
        yield piece


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    routes = [Route("/v1/{path:path}", endpoint.handle, methods=["GET", "POST"])]
    listener = socket.create_server(("127.0.0.1", 0))
    endpoint.port = listener.getsockname()[1]
    config = uvicorn.Config(Starlette(routes=routes), log_level="critical", lifespan="off")
    served = uvicorn.Server(config)
    threading.Thread(target=served.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not served.started:
        time.sleep(0.002)
    yield endpoint
    served.should_exit = served.force_exit = True


def error(code: str | None, message: str = "the reason") -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def test_an_answer_comes_back_as_a_dictionary(server: Endpoint) -> None:
    answer = completion(None, tool_call("look", {"at": 1}))
    answer["choices"][0]["message"]["reasoning_content"] = "hm"
    server.script((200, answer))
    made = server.model.complete(BODY)
    assert made["choices"][0]["message"]["tool_calls"] == [tool_call("look", {"at": 1})]
    assert made["choices"][0]["message"]["reasoning_content"] == "hm"
    assert usage_of(made, ModelSpec("m", prompt_price=2.0, completion_price=4.0), BODY) == Usage(1, 10, 10, 6e-5, 0)


def test_every_key_reaches_the_endpoint_and_none_steers_the_client(server: Endpoint) -> None:
    server.script((200, completion()))
    odd = {
        "temperature": 0.5, "top_k": 3, "extra_body": {"model": "dearer", "seed": 9}, "timeout": 0.000001,
        "extra_headers": {"Authorization": "Bearer other"}, "extra_query": {"a": "b"}, "seed": 1,
    }  # fmt: skip
    server.model.complete({**BODY, **odd, "stream": True})
    headers, sent = server.seen[0]
    assert {key: value for key, value in sent.items() if key != "stream"} == {**BODY, **odd}
    assert not sent.get("stream")
    assert headers["authorization"] == "Bearer none"


def test_the_key_is_the_one_of_the_named_variable(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLVE_TEST_KEY", "sk-test")
    server.script((200, completion()))
    OpenAIModel(ModelSpec("m", server.url, "EVOLVE_TEST_KEY")).complete(BODY)
    assert server.seen[0][0]["authorization"] == "Bearer sk-test"


def test_a_rate_limit_is_waited_for_as_long_as_it_asks(server: Endpoint) -> None:
    server.script((429, error("rate_limit_exceeded")), (200, completion("after")), retry_after="0")
    started = time.monotonic()
    made = server.patient_model(60.0).complete(BODY)
    assert time.monotonic() - started < 0.9
    assert made["choices"][0]["message"]["content"] == "after"
    assert len(server.seen) == 2


def test_a_long_wait_is_cut(server: Endpoint) -> None:
    server.script((429, error("rate_limit_exceeded")), (200, completion()), retry_after="3600")
    server.model.complete(BODY)
    assert len(server.seen) == 2


@pytest.mark.parametrize(("status", "code"), [(500, None), (503, "overloaded"), (429, "rate_limit_exceeded")])
def test_faults_that_do_not_pass_are_the_machines(server: Endpoint, status: int, code: str | None) -> None:
    server.script((status, error(code)))
    with pytest.raises(InfraError, match="the reason"):
        server.model.complete(BODY)
    assert len(server.seen) == ATTEMPTS


def test_an_endpoint_that_is_not_there_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    spec = ModelSpec("m", f"http://127.0.0.1:{port}/v1")
    with pytest.raises(InfraError, match="model endpoint"):
        OpenAIModel(spec, longest_wait=0.01).complete(BODY)
    with pytest.raises(InfraError, match=f"127.0.0.1:{port}"):
        known_models(spec)


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (400, "context_length_exceeded", "context_length_exceeded"),
        (400, None, "invalid_request"),
        (422, "odd", "odd"),
        (413, None, "invalid_request"),
    ],
)
def test_a_refused_request_is_not_tried_again(server: Endpoint, status: int, code: str | None, told: str) -> None:
    server.script((status, error(code)))
    with pytest.raises(RequestRefused, match="the reason") as caught:
        server.model.complete(BODY)
    assert (caught.value.status, caught.value.code) == (status, told)
    assert len(server.seen) == 1


@pytest.mark.parametrize(("status", "mend"), [(401, "set EVOLVE_TEST_NO_KEY"), (404, "correct MODEL")])
def test_a_bad_key_and_a_bad_model_are_the_users(server: Endpoint, status: int, mend: str) -> None:
    server.script((status, error("bad")))
    with pytest.raises(BadInput) as caught:
        server.model.complete(BODY)
    assert caught.value.mend == mend
    assert len(server.seen) == 1


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
def test_an_answer_without_a_choice_is_a_fault(server: Endpoint, answer: Any) -> None:
    server.script((200, answer))
    with pytest.raises(InfraError, match="model endpoint"):
        server.model.complete(BODY)


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


def test_an_answer_is_cut_at_the_callers_end(server: Endpoint) -> None:
    server.script((200, completion()))
    server.delay = 3.0
    started = time.monotonic()
    with pytest.raises(TimeOver):
        server.model.complete(BODY, seconds=0.3)
    assert time.monotonic() - started < 2
    assert len(server.seen) == 1


def test_an_answer_that_drips_is_cut_too(server: Endpoint) -> None:
    server.script((200, [b" "] * 100))
    started = time.monotonic()
    with pytest.raises(TimeOver):
        server.model.complete(BODY, seconds=0.5)
    assert time.monotonic() - started < 3


def test_a_fault_that_lasts_to_the_callers_end_stays_the_endpoints(server: Endpoint) -> None:
    server.script((503, error("overloaded")))
    with pytest.raises(InfraError, match="the reason"):
        server.patient_model(60.0).complete(BODY, seconds=0.5)
    assert len(server.seen) == 1


def test_a_huge_answer_is_refused_and_not_kept(server: Endpoint) -> None:
    server.script((200, [b"x" * 1_000_000] * (MAX_ANSWER // 1_000_000 + 2)))
    with pytest.raises(RequestRefused) as caught:
        server.model.complete(BODY)
    assert caught.value.code == "answer_too_large"


def test_an_answer_that_breaks_off_is_tried_again(server: Endpoint) -> None:
    server.script((200, [b"{", ConnectionResetError()]), (200, completion("whole")))
    assert server.model.complete(BODY)["choices"][0]["message"]["content"] == "whole"


def test_half_characters_and_odd_numbers_do_not_get_in(server: Endpoint) -> None:
    text = json.dumps(completion("a\ud800b")).replace('"created": 0', '"created": NaN')
    server.script((200, text))
    made = server.model.complete(BODY)
    assert made["choices"][0]["message"]["content"] == "a\ufffdb"
    json.dumps(made, allow_nan=False, ensure_ascii=False).encode()


def test_the_models_of_an_endpoint_are_listed(server: Endpoint) -> None:
    spec = ModelSpec("m", server.url)
    server.script((200, {"object": "list", "data": [{"id": "a"}, {"id": "b"}]}))
    assert known_models(spec) == ["a", "b"]
    server.script((404, error(None)))
    assert known_models(spec) == []
    server.script((401, error(None)))
    with pytest.raises(BadInput, match="key"):
        known_models(spec)
    assert "embedded" in known_models(ModelSpec("embedded"))


def test_the_embedded_model_needs_no_endpoint(server: Endpoint) -> None:
    assert isinstance(open_model(ModelSpec("embedded")), EmbeddedModel)
    assert isinstance(open_model(ModelSpec("embedded", server.url)), OpenAIModel)
    assert isinstance(open_model(ModelSpec("gpt")), OpenAIModel)
