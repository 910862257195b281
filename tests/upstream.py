"""A scripted endpoint for tests of whatever speaks with a model: a real process, the real protocol, no patching.

    def test_it(upstream: Upstream) -> None:               # the fixture: one process for all tests
        upstream.script(refuses(503), says("hello", reasoning="hm"), says(None, tool_call("look", {})))
        model = open_model(upstream.spec(stream=True))     # or OpenAIModel(upstream.spec(), longest_wait=0.01)
        ...
        assert upstream.requests()[0]["body"]["stream"]

    with scripted_upstream([says("hello")]) as upstream:   # a process of its own
        upstream.base_url

Answers are given in order, the last one for ever, in the form that the request asks for: `says` whole or streamed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evolve.core.records import ModelSpec
from tests.fakes import completion

Answer = dict[str, Any]
Piece = str | float | list[Any] | None
DONE = "data: [DONE]\n\n"
JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}


class Upstream:
    """One server process. `base_url`: for clients; no key is needed."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"
        self.base_url = f"{self._root}/v1"

    def script(self, *answers: Answer) -> None:
        """Give these answers from now on, and forget the requests."""
        self._call("/script", json.dumps(answers).encode())

    def requests(self) -> list[dict[str, Any]]:
        """All requests since the script was set: {"path", "headers" (names in lower case), "body" (JSON or None)}."""
        made: list[dict[str, Any]] = self._call("/requests")
        return made

    def bodies(self) -> list[Any]:
        return [request["body"] for request in self.requests()]

    def spec(self, **changes: Any) -> ModelSpec:
        """A model that lives here; its key's variable is not set."""
        fields: dict[str, Any] = {"name": "m", "base_url": self.base_url, "key_variable": "EVOLVE_TEST_NO_KEY"}
        return ModelSpec(**(fields | changes))

    def _call(self, path: str, data: bytes | None = None) -> Any:
        with urllib.request.urlopen(self._root + path, data, timeout=20) as answer:
            return json.load(answer)


@contextmanager
def scripted_upstream(answers: Sequence[Answer] = ()) -> Iterator[Upstream]:
    """A server process that ends with the block."""
    command = [sys.executable, "-m", "tests.upstream_server"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            upstream = Upstream(int(process.stdout.readline()))
            upstream.script(*answers)
            yield upstream
        finally:
            process.kill()


def says(
    content: str | None = "hello", *calls: Any, reasoning: str = "", tokens: int | None = 10, **odd: Any
) -> Answer:
    """A whole answer, or the same as a stream of small pieces.

    calls: of `fakes.tool_call`; reasoning: as `reasoning_content`; tokens: of prompt and answer each, None: no usage is
    reported; `finish`: another finish_reason; `message`: more fields of the message; `streamed`: True or False whatever
    the request asks for.
    """
    answer = completion(content, *calls, tokens=tokens or 0)
    choice = answer["choices"][0]
    choice["message"] |= ({"reasoning_content": reasoning} if reasoning else {}) | odd.get("message", {})
    choice["finish_reason"] = odd.get("finish") or choice["finish_reason"]
    if tokens is None:
        del answer["usage"]
    whole, stream = raw(json.dumps(answer)), streams(*chunks(answer))
    return {True: stream, False: whole, None: {**whole, "streamed": stream}}[odd.get("streamed")]


def streams(*events: Any, end: str | None = DONE) -> Answer:
    """A stream of events: a dictionary is one chunk, all else pieces as they are. end: None breaks the stream off."""
    pieces = [event_text(event) if isinstance(event, dict) else event for event in events]
    return raw(*pieces, end, headers=EVENTS)


def refuses(status: int, code: str | None = None, message: str = "the reason", **headers: str) -> Answer:
    """An error in the API's form; `retry_after="1"` is the header Retry-After."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return raw(json.dumps({"error": error}), status=status, headers=JSON | named)


def raw(*pieces: Piece, status: int = 200, headers: dict[str, str] = JSON) -> Answer:
    """Any bytes: text; a number: seconds to wait; [text, times]; None: the connection breaks off."""
    return {"status": status, "headers": headers, "pieces": list(pieces)}


def after(seconds: float, answer: Answer) -> Answer:
    """The same answer, whose body comes later."""
    late = {key: after(seconds, value) if key == "streamed" else value for key, value in answer.items()}
    return {**late, "pieces": [seconds, *answer["pieces"]]}


def event_text(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


def chunk(index: int = 0, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One chunk with one choice's delta."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}


def chunks(answer: dict[str, Any], size: int = 5) -> Iterator[dict[str, Any]]:
    """The chunks of a whole answer's first choice: its text and its calls' arguments in pieces of `size` characters."""
    choice = answer["choices"][0]
    message = {key: value for key, value in choice["message"].items() if value is not None}
    yield chunk(role=message.pop("role"), content="")
    for number, call in enumerate(message.pop("tool_calls", [])):
        function = call["function"]
        yield chunk(tool_calls=[{**call, "index": number, "function": {"name": function["name"], "arguments": ""}}])
        for piece in _cut(function["arguments"], size):
            yield chunk(tool_calls=[{"index": number, "function": {"arguments": piece}}])
    for key, value in message.items():
        for piece in _cut(value, size) if isinstance(value, str) else [value]:
            yield chunk(**{key: piece})
    yield chunk(finish=choice["finish_reason"])
    if "usage" in answer:
        yield {**chunk(), "choices": [], "usage": answer["usage"]}


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]
