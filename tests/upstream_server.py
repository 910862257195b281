"""A model's endpoint that follows a script, as a process of its own: `python -m tests.upstream_server` prints its port.

`POST /script` sets the answers (the last one is given for ever) and forgets the requests; `GET /requests` lists them.
All else is answered from the script. An answer: `{"status", "headers", "pieces", "streamed"?}`. Pieces: text is sent, a
number is waited for (seconds), `[text, times]` is sent so often, `null` breaks the connection off. Where `streamed` is
there and the request asks for a stream, its headers and pieces are given instead. It knows nothing of the protocol.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


class Script:
    """The answers to come, and the requests that came."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []

    async def set(self, request: Request) -> Response:
        self.answers, self.requests = await request.json(), []
        return JSONResponse({})

    async def seen(self, request: Request) -> Response:
        return JSONResponse(self.requests)

    async def answer(self, request: Request) -> Response:
        data = await request.body()
        body = json.loads(data) if data else None
        self.requests.append({"path": request.url.path, "headers": dict(request.headers), "body": body})
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(body, dict) and body.get("stream") and "streamed" in answer:
            answer = answer["streamed"]
        return StreamingResponse(_sent(answer["pieces"]), answer["status"], answer["headers"])


async def _sent(pieces: list[Any]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if piece is None:
            raise ConnectionResetError
        if isinstance(piece, int | float):
            await asyncio.sleep(piece)
            continue
        text, times = piece if isinstance(piece, list) else (piece, 1)
        for _ in range(times):
            yield text.encode()
            await asyncio.sleep(0)


def main() -> None:
    script = Script()
    routes = [
        Route("/script", script.set, methods=["POST"]),
        Route("/requests", script.seen, methods=["GET"]),
        Route("/{path:path}", script.answer, methods=["GET", "POST"]),
    ]
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(Starlette(routes=routes), log_level="critical", lifespan="off")
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
