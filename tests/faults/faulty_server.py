"""A model's endpoint that fails by a plan, as a process of its own: `python -m tests.faults.faulty_server`.

It prints its port. Whole answers are the embedded model's. Which call fails, and how, depends on the plan's seed and
the call's number alone. `POST /plan` sets a plan and begins to count anew; `GET /counts` tells what was done.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from evolve import embedded
from evolve.core.errors import RequestRefused
from evolve.core.records import stable_hash
from tests.upstream import DONE, chunks, event_text

KINDS = (
    "busy", "busy_until", "internal", "gateway", "unavailable", "overloaded", "reset", "hang", "drip", "malformed",
    "truncated", "empty",
)  # fmt: skip
STATUSES = {"internal": 500, "gateway": 502, "unavailable": 503, "overloaded": 529}
DRIP_SECONDS = 0.1
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Plan:
    """share: of all calls, fails; until: calls after this number don't; hang: seconds after which a hang ends too."""

    seed: int = 0
    share: float = 0.0
    kinds: tuple[str, ...] = KINDS
    until: int | None = None
    hang: float = 120.0

    def fault(self, number: int) -> str:
        """How the call fails; "" if it does not. number: from 1 on."""
        if self.until is not None and number > self.until:
            return ""
        if stable_hash(self.seed, "fails", number) / 2**63 >= self.share:
            return ""
        return self.kinds[stable_hash(self.seed, "how", number) % len(self.kinds)]


class Counts:
    """What was done: calls answered whole and their tokens, requests that the model refused, faults by kind."""

    def __init__(self) -> None:
        self.calls = 0
        self.done: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def told(self) -> dict[str, Any]:
        names = ("whole", "refused", "prompt_tokens", "completion_tokens")
        return {name: self.done[name] for name in names} | {"calls": self.calls, "faults": dict(self.faults)}


class Endpoint(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.plan, self.counts = Plan(), Counts()

    def begin(self, plan: Plan) -> None:
        with self.lock:
            self.plan, self.counts = plan, Counts()

    def next_fault(self) -> str:
        with self.lock:
            self.counts.calls += 1
            fault = self.plan.fault(self.counts.calls)
            self.counts.faults.update([fault] if fault else [])
            return fault

    def count(self, **done: int) -> None:
        with self.lock:
            self.counts.done.update(done)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Endpoint
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        if self.path == "/counts":
            self._json(self.server.counts.told())
        else:
            self._json({"object": "list", "data": [{"id": "embedded", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/plan":
            self.server.begin(Plan(**{**body, "kinds": tuple(body["kinds"])}))
            self._json({})
            return
        fault = self.server.next_fault()
        if fault in STATUSES:
            self._error(STATUSES[fault])
        elif fault:
            self._fail(fault, body)
        else:
            self._answer(body)

    def _answer(self, body: dict[str, Any]) -> None:
        try:
            answer = embedded.complete(body)
        except RequestRefused as error:
            self.server.count(refused=1)
            self._error(error.status, error.code)
            return
        if body.get("stream"):
            self._events([*map(event_text, chunks(answer)), DONE])
        else:
            self._json(answer)
        usage = {key: answer["usage"][key] for key in ("prompt_tokens", "completion_tokens")}
        self.server.count(whole=1, **usage)

    def _fail(self, fault: str, body: dict[str, Any]) -> None:
        ways: dict[str, Callable[[dict[str, Any]], None]] = {
            "busy": lambda _: self._error(429, retry_after="0"),
            "busy_until": lambda _: self._error(429, retry_after=formatdate(time.time() + 1, usegmt=True)),
            "reset": lambda _: self._reset(),
            "hang": lambda _: self._wait(b""),
            "drip": lambda _: self._drip(),
            "malformed": self._malformed,
            "truncated": self._truncated,
            "empty": self._empty,
        }
        ways[fault](body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close_connection = True
        self.connection.close()

    def _drip(self) -> None:
        self._head(200, "application/json", length=10**6)
        self._wait(b" ")

    def _wait(self, drop: bytes) -> None:
        """Until the client hangs up, with a drop from time to time."""
        self.close_connection = True
        end = time.monotonic() + self.server.plan.hang
        while time.monotonic() < end:
            readable, _, _ = select.select([self.connection], [], [], DRIP_SECONDS)
            if readable:
                return
            self.connection.sendall(drop)

    def _malformed(self, body: dict[str, Any]) -> None:
        if body.get("stream"):
            self._events(['data: {"choices": [{"delta"\n\n', DONE])
        else:
            self._send(200, "application/json", b'{"id": "chatcmpl-1", "choices": [{"message": ')

    def _truncated(self, body: dict[str, Any]) -> None:
        """Half of an answer, with the connection's end for its own."""
        answer = embedded.complete(body)
        if body.get("stream"):
            events = [*map(event_text, chunks(answer))]
            self._events(events[: max(len(events) // 2, 1)])
        else:
            data = json.dumps(answer).encode()
            self._head(200, "application/json", len(data))
            self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def _empty(self, body: dict[str, Any]) -> None:
        """Without a choice, or with one that says nothing."""
        usage = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}
        choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}
        choices = [choice] if self.server.counts.calls % 2 else []
        answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "m", "choices": choices}
        if body.get("stream"):
            self._events([*(map(event_text, chunks({**answer, "usage": usage})) if choices else ()), DONE])
        else:
            self._json({**answer, "usage": usage})

    def _events(self, events: Iterable[str]) -> None:
        """Their end is the connection's."""
        self._head(200, "text/event-stream")
        self.close_connection = True
        self.wfile.write("".join(events).encode())

    def _error(self, status: int, code: str = "", retry_after: str = "") -> None:
        error = {"message": f"by plan: {status}", "type": "error", "code": code or None}
        headers = {"Retry-After": retry_after} if retry_after else {}
        self._send(status, "application/json", json.dumps({"error": error}).encode(), headers)

    def _json(self, value: Any) -> None:
        self._send(200, "application/json", json.dumps(value).encode())

    def _send(self, status: int, kind: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, kind, len(data), headers)
        self.wfile.write(data)

    def _head(self, status: int, kind: str, length: int | None = None, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        told = {"Content-Type": kind, **(headers or {})}
        told |= {"Connection": "close"} if length is None else {"Content-Length": str(length)}
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()


def main() -> None:
    endpoint = Endpoint()
    print(endpoint.server_address[1], flush=True)
    endpoint.serve_forever()


if __name__ == "__main__":
    main()
