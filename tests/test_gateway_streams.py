"""Streams whose answer comes late: they are kept alive, and a late refusal is an event."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from evolve.core.errors import InfraError, RequestRefused
from evolve.trial.gateway import Gateway, endpoint
from tests import test_gateway_messages as messages
from tests.fakes import completion
from tests.test_gateway import USER, client, model_of, serving

BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [USER]},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {"messages": [USER], "max_tokens": 9},
}


class Late:
    """An answer that waits until it is let go."""

    def __init__(self, outcome: Any) -> None:
        self.outcome, self.go = outcome, threading.Event()

    def __call__(self, body: Mapping[str, Any]) -> dict[str, Any]:
        assert self.go.wait(20)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        answer: dict[str, Any] = self.outcome
        return answer

    def let_go_soon(self) -> None:
        """Answer the next request, a while after it began."""
        self.go.clear()
        threading.Timer(0.3, self.go.set).start()


@contextmanager
def late(folder: Path, outcome: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Gateway, Late]]:
    monkeypatch.setattr(endpoint, "KEEP_ALIVE_SECONDS", 0.02)
    answer = Late(outcome)
    with serving(folder, answer, usd=100) as served:
        yield served, answer


def test_every_protocol_shows_that_it_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, body in BODIES.items():
        with late(tmp_path, completion(), monkeypatch) as (served, answer), socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(served.path))
            data = json.dumps({**body, "stream": True})
            plain.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode())
            plain.sendall(f"Content-Length: {len(data)}\r\n\r\n{data}".encode())
            got, reader = b"", plain.makefile("rb")
            while max(got.count(b"keep-alive\n"), got.count(b"event: keepalive"), got.count(b"event: ping")) < 3:
                got += reader.readline()
            answer.go.set()
            got += reader.read()
        assert b"hello" in got and got.startswith(b"HTTP/1.1 200")
        assert got.count(b"event: response.created") == (1 if path == "/v1/responses" else 0)


def test_late_answers_reach_the_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with late(tmp_path, completion(), monkeypatch) as (served, answer), client(served) as api:
        answer.let_go_soon()
        chunks = list(api.chat.completions.create(model="m", messages=[USER], stream=True))
        assert chunks[0].choices[0].delta.content == "hello"
    with late(tmp_path, completion(), monkeypatch) as (served, answer), client(served) as api:
        answer.let_go_soon()
        with api.responses.stream(model="m", input="hi") as stream:
            assert stream.get_final_response().output_text == "hello"
    with late(tmp_path, completion(), monkeypatch) as (served, answer), messages.client(served) as anthropics:
        answer.let_go_soon()
        with anthropics.messages.stream(model="m", max_tokens=9, messages=[USER]) as text:
            assert text.get_final_text() == "hello"


@pytest.mark.parametrize(
    ("outcome", "word"), [(RequestRefused(400, "odd", "no such thing"), "no such thing"), (InfraError("x"), "fault")]
)
def test_late_refusals_are_the_clients_own_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Exception, word: str
) -> None:
    with late(tmp_path, outcome, monkeypatch) as (served, answer), client(served) as api:
        answer.let_go_soon()
        with pytest.raises(openai.APIError, match=word):
            list(api.chat.completions.create(model="m", messages=[USER], stream=True))
        answer.let_go_soon()
        *_, last = api.responses.create(model="m", input="hi", stream=True)
        assert last.type == "response.failed" and last.response.error and word in last.response.error.message
        answer.let_go_soon()
        with messages.client(served) as anthropics, pytest.raises(anthropic.APIStatusError, match=word):
            list(anthropics.messages.create(model="m", max_tokens=9, messages=[USER], stream=True))
    assert served.refusals.total() == (3 if isinstance(outcome, RequestRefused) else 0)
    assert (served.fault is None) == isinstance(outcome, RequestRefused)


def test_a_bug_behind_a_stream_that_has_begun_is_a_fault_of_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with late(tmp_path, KeyError("x"), monkeypatch) as (served, answer), client(served) as api:
        answer.let_go_soon()
        with pytest.raises(openai.APIError, match="will not count"):
            list(api.chat.completions.create(model="m", messages=[USER], stream=True))
    assert isinstance(served.fault, InfraError) and "KeyError" in str(served.fault)


def test_a_late_whole_answer_keeps_its_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with late(tmp_path, RequestRefused(400, "odd", "no"), monkeypatch) as (served, answer), client(served) as api:
        answer.let_go_soon()
        with pytest.raises(openai.BadRequestError):
            api.responses.create(model="m", input="hi")
    assert len(model_of(served).requests) == 1
