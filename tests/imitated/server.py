"""Imitated endpoints as a process of their own: `python -m tests.imitated.server openai-gpt5` prints its port.

The embedded model answers; `tests/imitated/catalogue.py` has the names. `GET /ledger` reports calls, billed tokens and
refused requests per reason, `GET /requests` the latest requests; `POST /reset` begins anew. All endpoints of the
catalogue are there too, each below its name: `/mistral/v1/chat/completions`, `/mistral/ledger`. It needs no network.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from evolve.core.errors import RequestRefused
from tests.imitated.answers import plain_chunks
from tests.imitated.behaviour import JSON, Body, Imitation, Ledger, Refusal
from tests.imitated.catalogue import catalogue
from tests.imitated.player import play
from tests.imitated.responses import response_events, to_chat, to_response
from tests.upstream import DONE, event_text

TIMED_OUT = "<!DOCTYPE html><html><title>524: A timeout occurred</title></html>"
COUNTS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")


class Endpoint(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str, imitations: Mapping[str, Imitation], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.name, self.imitations = name, imitations
        self.ledgers = {known: Ledger() for known in imitations}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Endpoint
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    imitation: Imitation
    ledger: Ledger

    def _enter(self) -> str:
        """Find the endpoint that the request is for. Returns the path below it."""
        name, _, rest = self.path.lstrip("/").partition("/")
        known = name in self.server.imitations
        self.name = name if known else self.server.name
        self.imitation, self.ledger = self.server.imitations[self.name], self.server.ledgers[self.name]
        return f"/{rest}" if known else self.path

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        path, models = self._enter(), self.imitation.models
        if path == "/ledger":
            self._json(self.ledger.report())
        elif path == "/requests":
            self._json(self.ledger.requests)
        elif path == "/v1/models" and models is not None:
            self._json({"object": "list", "data": [{"id": name, "object": "model"} for name in models]})
        else:
            self._refuse(Refusal(404, {"error": {"message": "Not Found", "code": 404}}, "path"))

    def do_POST(self) -> None:
        path, body = self._enter(), json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        if path == "/reset":
            self.server.ledgers[self.name] = Ledger()
            self._json({})
        elif path == "/v1/chat/completions":
            self._chat(body)
        elif path == "/v1/responses" and self.imitation.responses is not None:
            self._respond(body)
        else:
            self._refuse(Refusal(404, {"error": {"message": "Not Found", "code": 404}}, "path"))

    def _chat(self, body: Body) -> None:
        self.ledger.arrive(body)
        if refusal := self._model_refusal(body) or self.imitation.refusal(body, self.ledger):
            self._refuse(refusal)
        elif answer := self._answer(body):
            split = self.imitation.split or plain_chunks
            self._send_answer(body, answer, map(event_text, _without_usage(body, split(answer))))

    def _respond(self, body: Body) -> None:
        chat = to_chat(body)
        self.ledger.arrive({**body, "messages": chat["messages"]})
        if refusal := self._model_refusal(body) or self.imitation.response_refusal(body, self.ledger):
            self._refuse(refusal)
        elif answer := self._answer({**chat, "stream": body.get("stream")}):
            response = to_response(body, answer)
            self._send_answer(body, response, map(_named_event, response_events(response)), "")

    def _model_refusal(self, body: Body) -> Refusal | None:
        return None if self.imitation.serves(body.get("model")) else _no_such_model(body)

    def _answer(self, body: Body) -> Body | None:
        """The answer, which is billed; None if the request was refused, or the answer would take too long."""
        imitation, ledger, slow = self.imitation, self.ledger, self.imitation.slow
        seconds = slow.seconds_of(body)
        try:
            plain = play(imitation.prompt(body))
        except RequestRefused as error:
            fields = {"message": str(error), "type": "invalid_request_error", "param": None, "code": error.code}
            self._refuse(Refusal(error.status, {"error": fields}, error.code))
            return None
        if not body.get("stream") and seconds > slow.patience:
            time.sleep(slow.patience)
            self._refuse(Refusal(524, TIMED_OUT, "timed_out", "text/html; charset=UTF-8"))
            return None
        answer = imitation.answer({**body, "_cached": ledger.cached_tokens(body)}, plain)
        ledger.bill(billed_tokens(plain, answer))
        return answer

    def _send_answer(self, body: Body, answer: Body, events: Iterable[str], end: str = DONE) -> None:
        """The whole answer when it is there, or its first event at once; a stream's end is the connection's."""
        seconds = self.imitation.slow.seconds_of(body)
        if not body.get("stream"):
            time.sleep(seconds)
            self._json(answer)
            return
        self._head(200, "text/event-stream")
        self.close_connection = True
        first, *others = events
        self.wfile.write(first.encode())
        time.sleep(seconds)
        self.wfile.write("".join([*others, end]).encode())

    def _refuse(self, refusal: Refusal) -> None:
        self.ledger.refuse(refusal.reason)
        self._send(refusal.status, refusal.kind, refusal.data(), dict(refusal.headers))

    def _json(self, value: Any) -> None:
        self._send(200, JSON, json.dumps(value).encode())

    def _send(self, status: int, kind: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, kind, len(data), headers)
        self.wfile.write(data)

    def _head(self, status: int, kind: str, length: int | None = None, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        fields = {"Content-Type": kind, **(headers or {})}
        fields |= {"Connection": "close"} if length is None else {"Content-Length": str(length)}
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()


def _no_such_model(body: Body) -> Refusal:
    words = f"The model `{body.get('model')}` does not exist or you do not have access to it."
    error = {"message": words, "type": "invalid_request_error", "param": None, "code": "model_not_found"}
    return Refusal(404, {"error": error}, "model")


def _named_event(event: Body) -> str:
    return f"event: {event['type']}\n{event_text(event)}"


def _without_usage(body: Body, events: Iterable[Body]) -> Iterable[Body]:
    """Without the last event, which only those get who ask for it; some endpoints add the usage to the one before."""
    wanted = (body.get("stream_options") or {}).get("include_usage")
    return (event for event in events if wanted or event["choices"])


def billed_tokens(plain: Body, answer: Body) -> dict[str, int]:
    """What this answer costs: fresh and cached prompt tokens apart, reasoning and the rest of the answer apart.

    Args:
        plain: The model's answer.
        answer: The same as the endpoint sends it, with its own spelling of the usage.
    """
    usage = answer["usage"]
    details = usage.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or usage.get("cached_tokens") or 0
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens", 0)
    fresh, written = plain["usage"]["prompt_tokens"] - cached, plain["usage"]["completion_tokens"]
    return dict(zip(COUNTS, (fresh, cached, written, reasoning), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(catalogue()))
    parser.add_argument("--seconds", type=float, default=1.0, help="unit of time of endpoints that wait")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    endpoint = Endpoint(given.name, catalogue(given.seconds), given.port)
    print(endpoint.server_address[1], flush=True)
    endpoint.serve_forever()


if __name__ == "__main__":
    main()
