"""The gateway's HTTP: bounded requests and connections, answers and errors in the form of the OpenAI API."""

from __future__ import annotations

import asyncio
import hmac
import json
import math
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_BODY = 4_000_000
MAX_IN_FLIGHT = 4 * MAX_BODY
MAX_DEPTH = 100
MAX_VALUES = 100_000
MAX_CONNECTIONS = 128
BODY_SECONDS = 20.0
HEAD_SECONDS = 20.0
# The status of refusals that stay as they are: no client waits and asks again, as many do after 408, 409, 429 and 5xx.
FINAL = 403
RETRIED = (408, 409, 425, 429)
Body = dict[str, Any]


class Refusal(Exception):
    """An answer in the API's error form, with an HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def check_token(request: Request, token: str) -> None:
    """Raise Refusal unless a request shows the token in place of an API key; "" asks for none."""
    shown = (request.headers.get("authorization", "").removeprefix("Bearer "), request.headers.get("x-api-key", ""))
    if token and not any(hmac.compare_digest(one.encode(), token.encode()) for one in shown):
        raise Refusal(401, "invalid_api_key", "the request does not show the token of this trial")


def final_status(status: int) -> int:
    """The status, or FINAL for one after which clients ask again: the endpoint's own client has done that already."""
    return FINAL if status in RETRIED or status >= 500 else status


class Intake:
    """Read the bodies of requests; those in progress have at most MAX_IN_FLIGHT bytes together."""

    def __init__(self) -> None:
        self._bytes = 0

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[Body]:
        """Read the JSON object of a request; its bytes count until the block ends. Raises Refusal."""
        raw = bytearray()
        try:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    async for chunk in request.stream():
                        raw += chunk
                        self._bytes += len(chunk)
                        if len(raw) > MAX_BODY or self._bytes > MAX_IN_FLIGHT:
                            raise Refusal(413, "too_large", f"a request is at most {MAX_BODY} bytes")
            except (ClientDisconnect, TimeoutError) as error:
                raise Refusal(408, "timeout", "the request did not arrive whole in time") from error
            yield {} if request.method == "GET" else parse_body(bytes(raw))
        finally:
            self._bytes -= len(raw)


def parse_body(raw: bytes) -> Body:
    """Parse a JSON object: strict UTF-8, finite numbers, limited nesting, no half characters. Raises Refusal.

    This is the one place where bytes of a scaffold become values, so that later code can encode and store them all.
    """
    try:
        # From bytes, `json` would also read UTF-16 and UTF-32, and half characters in UTF-8.
        body = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise Refusal(400, "invalid_request", f"the body is not UTF-8: {error.reason}") from error
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "invalid_request", f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "invalid_request", "the body must be a JSON object")
    if problem := _shape_problem(body) or (_text_problem(body) if b"\\ud" in raw.lower() else ""):
        raise Refusal(400, "invalid_request", problem)
    return body


def _shape_problem(value: Any) -> str:
    """What later code could not handle, or ""; not recursive, since the value is untrusted."""
    level, seen = [value], 0
    for _ in range(MAX_DEPTH):
        seen += len(level)
        if not level or seen > MAX_VALUES:
            break
        if any(isinstance(item, float) and not math.isfinite(item) for item in level):
            return "a number must be finite"
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in inner for item in items]
    return f"the body is nested deeper than {MAX_DEPTH} or holds over {MAX_VALUES} values" if level else ""


def _text_problem(body: Body) -> str:
    """Lone surrogates, which JSON can express but nothing can send."""
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return f"the text is not valid Unicode: {error.reason}"
    return ""


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Respond with ASCII JSON, which can carry even lone surrogates."""
    return Response(json.dumps(content), status, headers, media_type="application/json")


def error_response(refusal: Refusal) -> Response:
    error = {"message": refusal.message, "type": refusal.code, "code": refusal.code, "param": None}
    # OpenAI clients retry a 408 and a 503 by themselves; here the answer would stay the same.
    return json_response({"error": error}, refusal.status, {"x-should-retry": "false"})


def stream_response(completion: Mapping[str, Any], usage: bool) -> Response:
    """Send one completion as server-sent events.

    Args:
        usage: whether the client asked for a final event with the usage.
    """
    return Response("".join(_chunks(completion, usage)), media_type="text/event-stream")


def _chunks(completion: Mapping[str, Any], usage: bool) -> Iterator[str]:
    """The whole message, its end, and the usage only if asked for: some clients index into its empty `choices`.

    All fields that the completion, its choices and messages have are in it, known or not.
    """
    others = {key: value for key, value in completion.items() if key not in ("choices", "usage")}
    head = {"id": "", "created": 0, "model": "", **others, "object": "chat.completion.chunk"}
    for number, choice in enumerate(completion["choices"]):
        others = {key: value for key, value in choice.items() if key not in ("message", "logprobs")}
        first = {"delta": _delta(choice["message"]), "logprobs": choice.get("logprobs"), "finish_reason": None}
        last = {**others, "delta": {}, "finish_reason": choice.get("finish_reason")}
        for part in (first, last):
            yield _event({**head, "choices": [{**part, "index": number}]})
    if usage:
        yield _event({**head, "choices": [], "usage": completion.get("usage")})
    yield "data: [DONE]\n\n"


def _delta(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message as one piece. Its calls are numbered here: a client joins those with the same index."""
    calls = message.get("tool_calls")
    if not calls:
        return dict(message)
    return {**message, "tool_calls": [{**call, "index": index} for index, call in enumerate(calls)]}


def _event(content: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 for untrusted clients: at most MAX_CONNECTIONS; one that sends no request in time is closed."""

    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._close_if_idle(idle=False)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _close_if_idle(self, idle: bool) -> None:
        """Close a connection that was idle at the last check and still is; an incomplete head counts as idle."""
        waiting = self.cycle is None or self.cycle.response_complete
        if idle and waiting:
            self.transport.abort()
        else:
            self._watch = self.loop.call_later(HEAD_SECONDS / 2, self._close_if_idle, waiting)
