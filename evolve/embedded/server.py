"""The embedded model over HTTP: the part of the OpenAI API that chat clients use."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from evolve.core.errors import RequestRefused
from evolve.embedded.front import complete
from evolve.embedded.knobs import Knobs

MODELS = ("embedded", "embedded-hard")
PIECE_CHARS = 200
SEED_BITS = 31


def create_app(knobs: Knobs | None = None) -> Starlette:
    """Build the application: POST /v1/chat/completions (also `stream`), GET /v1/models; errors as OpenAI's API."""

    async def chat(request: Request) -> Response:
        try:
            body = _parse(await request.body())
            if knobs is not None and not knobs.heeds_seeds:
                body = {**body, "seed": secrets.randbits(SEED_BITS)}
            answer = await run_in_threadpool(complete, body, knobs)
        except RequestRefused as refused:
            return _error(refused)
        if not body.get("stream"):
            return JSONResponse(answer)
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return StreamingResponse(_events(answer, usage), media_type="text/event-stream")

    async def models(_: Request) -> Response:
        known = [{"id": name, "object": "model", "created": 0, "owned_by": "evolve"} for name in MODELS]
        return JSONResponse({"object": "list", "data": known})

    routes = [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/models", models, methods=["GET"]),
    ]
    return Starlette(routes=routes)


def serve(listening: socket.socket, knobs: Knobs | None = None) -> None:
    """Serve on a socket that listens, until interrupted."""
    uvicorn.Server(uvicorn.Config(create_app(knobs), log_level="warning")).run(sockets=[listening])


def _parse(data: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(data)
    except ValueError as error:
        raise RequestRefused(400, "invalid_request", f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise RequestRefused(400, "invalid_request", "the body must be a JSON object")
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise RequestRefused(400, "invalid_request", "stream_options: must be an object")
    return body


def _error(refused: RequestRefused) -> Response:
    error = {"message": str(refused), "type": "invalid_request_error", "param": None, "code": refused.code}
    return JSONResponse({"error": error}, status_code=refused.status)


def _events(answer: Mapping[str, Any], usage: bool) -> Iterator[str]:
    choice = answer["choices"][0]
    head = {key: answer[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    for delta in _deltas(choice["message"]):
        yield _event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if usage:
        yield _event(head | {"choices": [], "usage": answer["usage"]})
    yield "data: [DONE]\n\n"


def _event(chunk: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if message.get("tool_calls") else ""}
    for piece in _pieces(message.get("content") or ""):
        yield {"content": piece}
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        start = {
            "id": call["id"],
            "type": "function",
            "function": {"name": function["name"], "arguments": ""},
        }
        yield {"tool_calls": [{"index": index} | start]}
        for piece in _pieces(function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE_CHARS):
        yield text[start : start + PIECE_CHARS]
