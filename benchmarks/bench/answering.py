"""An endpoint that answers every request with one sentence, in each protocol that agents speak."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from evolve.core.records import Api, ModelSpec, Usage
from evolve.trial.gateway.protocols import Reply, protocol_of

ROUTES: dict[str, Api] = {"/v1/chat/completions": "chat", "/v1/responses": "responses", "/v1/messages": "messages"}
COMPLETION = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Done."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102},
}


class Handler(BaseHTTPRequestHandler):
    """Answers at the paths of ROUTES, whole or as a stream."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        api = ROUTES.get(self.path.partition("?")[0])
        if api is None:
            self._send(404, "application/json", "{}")
            return
        protocol = protocol_of(api)
        protocol.chat_request(asked, ModelSpec("m"))
        reply = Reply(asked, COMPLETION, Usage(1, 100, 2))
        if asked.get("stream"):
            self._send(200, "text/event-stream", "".join(protocol.events(reply)))
        else:
            self._send(200, "application/json", json.dumps(protocol.whole(reply)))

    def _send(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def answering() -> Iterator[str]:
    """Serve on a free port of this machine's loopback. Yields the address, without a slash at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
