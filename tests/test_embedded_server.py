"""The server, through the real client over a real socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import openai
import pytest
import uvicorn

from evolve.core.records import ModelSpec
from evolve.embedded import complete
from evolve.embedded.server import create_app
from evolve.llm.client import OpenAIModel

TOOLS: Any = [
    {
        "type": "function",
        "function": {"name": "list_files", "parameters": {"type": "object", "properties": {}}},
    }
]
MESSAGES: Any = [{"role": "user", "content": "Mend it."}]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=2) as made:
        yield made


def test_plain(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="embedded", messages=MESSAGES)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_tools_answer_as_in_the_process(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="embedded", messages=MESSAGES, tools=TOOLS, seed=3)
    body = {"model": "embedded", "messages": MESSAGES, "tools": TOOLS, "seed": 3}
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert calls[0].to_dict() == complete(body)["choices"][0]["message"]["tool_calls"][0]


def test_streamed_text(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="embedded", messages=MESSAGES)
    chunks = list(
        client.chat.completions.create(
            model="embedded", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage


def test_streamed_tool_call(client: openai.OpenAI) -> None:
    asked: Any = {"model": "embedded", "messages": MESSAGES, "tools": TOOLS, "seed": 3}
    whole = client.chat.completions.create(**asked)
    with client.chat.completions.stream(**asked) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls
    assert whole.choices[0].message.tool_calls
    streamed, plain = message.tool_calls[0], whole.choices[0].message.tool_calls[0]
    assert streamed.id == plain.id
    assert json.loads(streamed.function.arguments) == json.loads(plain.to_dict()["function"]["arguments"])  # type: ignore[index]


@pytest.mark.parametrize("more", [{}, {"tools": TOOLS}])
def test_the_programs_own_client_gets_the_same_whole_and_streamed(address: str, more: dict[str, Any]) -> None:
    body = {"model": "embedded", "messages": MESSAGES, "seed": 3, **more}
    for stream in (False, True):
        made = OpenAIModel(ModelSpec("embedded", f"{address}/v1", stream=stream)).complete(body)
        inside = complete(body)
        message = {key: value for key, value in inside["choices"][0]["message"].items() if value not in (None, "")}
        told = {key: value for key, value in made["choices"][0]["message"].items() if value not in (None, "")}
        assert told == message
        assert (made["usage"], made["choices"][0]["finish_reason"]) == (
            inside["usage"],
            inside["choices"][0]["finish_reason"],
        )


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["embedded", "embedded-hard"]


def test_overflow_is_a_bad_request(client: openai.OpenAI) -> None:
    long: Any = [{"role": "user", "content": "x" * 20_000}]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="embedded", messages=long)
    assert refused.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"messages": []}', b'{"messages": [{"role": "user"}], "stream_options": 3}']
)
def test_broken_bodies(address: str, body: bytes) -> None:
    answer = httpx.post(f"{address}/v1/chat/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"
