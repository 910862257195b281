"""One route of the gateway, as an ASGI application: it keeps a stream alive while the answer is not there yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from evolve.trial.gateway.endurance import HungUpAt, watched_client
from evolve.trial.gateway.protocols import Protocol
from evolve.trial.gateway.wire import Body, Intake, Refusal, check_token, json_response

# An answer or refusal that is there in time has a status of its own. Later ones are events of a stream, since clients
# give up a connection on which nothing comes.
KEEP_ALIVE_SECONDS = 10.0
Action = Callable[[Body, HungUpAt], Response]
Job = asyncio.Future[Response]


@dataclass(frozen=True)
class Endpoint:
    """One route.

    Attributes:
        action: What it does, in a thread beside the event loop. Raises Refusal; any other exception is a bug.
        protocol: In which it answers.
        count: Called for each refusal, in the event loop.
        fault_of: Note a bug, and return the refusal that the client gets.
        token: What each request must show in place of an API key; "": nothing.
    """

    intake: Intake
    action: Action
    protocol: Protocol
    count: Callable[[Refusal], None]
    fault_of: Callable[[Exception], Refusal]
    token: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            check_token(request, self.token)
            async with self.intake.body(request) as body:
                given = {**body, **request.path_params}
                with watched_client(request) as client:
                    job: Job = asyncio.ensure_future(run_in_threadpool(self.action, given, client.hung_up_at))
                    if body.get("stream") and not await _is_done(job):
                        return await self._stream(body, job, send)
                    response = await job
        except Refusal as refusal:
            self.count(refusal)
            response = refusal_response(refusal, self.protocol)
        await response(scope, receive, send)

    async def _stream(self, body: Body, job: Job, send: Send) -> None:
        """Answer with a stream that begins before the answer is known."""
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        opening, alive = self.protocol.opening(body).encode(), self.protocol.keep_alive.encode()
        piece = opening + alive
        while not job.done():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = alive
            await _is_done(job)
        await send({"type": "http.response.body", "body": self._rest(body, job, opening)})

    def _rest(self, body: Body, job: Job, opening: bytes) -> bytes:
        """What follows the opening of a stream."""
        try:
            return bytes(job.result().body).removeprefix(opening)
        except Refusal as refusal:
            failed = refusal
        except Exception as error:
            failed = self.fault_of(error)
        self.count(failed)
        return self.protocol.failure(body, failed).encode()


async def _is_done(job: Job) -> bool:
    """Wait a while; returns whether the job has ended."""
    return bool((await asyncio.wait({job}, timeout=KEEP_ALIVE_SECONDS))[0])


def refusal_response(refusal: Refusal, protocol: Protocol) -> Response:
    """Respond with a refusal. Clients retry some statuses by themselves; here the answer would stay the same."""
    return json_response(protocol.error(refusal), refusal.status, {"x-should-retry": "false"})


def stream_response(events: str) -> Response:
    """Respond with events that are all known."""
    return Response(events, media_type="text/event-stream")
