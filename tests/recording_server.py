"""The embedded model behind HTTP, as a process that keeps all that is sent to it.

`python -m tests.recording_server FILE` prints its port and writes one JSON object a line for each request: `head`
(path, query and headers, as text) and `body` (text).

As a proposer it is curious: first it looks up all that there may be, then it proposes each odd word that it was shown,
so that the guard must say what is wrong with them; only then it proposes what the embedded model would.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evolve.embedded import complete, server
from tests.fakes import completion, tool_call

LOOKED_FOR = ("mk", "hidden", "solution", "reward", "validation", "holdout")
ODD_WORD = re.compile(r"mk[a-z]{14}")
SPREAD = 3


class Recorded:
    """An application, each request of which is in the file before it is answered."""

    def __init__(self, app: ASGIApp, file: Path) -> None:
        self.app, self.file = app, file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def heard() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            if message["type"] == "http.request" and not message.get("more_body"):
                self._keep(scope, bytes(body))
            return message

        await self.app(scope, heard, send)

    def _keep(self, scope: Scope, body: bytes) -> None:
        head = b"\n".join([scope["raw_path"], scope["query_string"], *(b": ".join(pair) for pair in scope["headers"])])
        entry = {"head": head.decode("latin-1"), "body": body.decode("utf-8", "replace")}
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


@contextmanager
def recording(file: Path) -> Iterator[str]:
    """A process that ends with the block. -> its base URL"""
    command = [sys.executable, "-m", "tests.recording_server", str(file)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def requests(file: Path) -> list[dict[str, Any]]:
    """All requests that asked the model, in order: `text` (every byte of the request), and `tools` (names)."""
    entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [{"text": e["head"] + "\n" + e["body"], "tools": _offered(e["body"])} for e in entries if e["body"]]


def curious(body: Mapping[str, Any], knobs: Any = None) -> dict[str, Any]:
    """What the embedded model answers; before a proposal two answers of its own, told apart by what was said before."""
    said = body["messages"]
    if "propose" not in [tool["function"]["name"] for tool in body.get("tools", [])]:
        return complete(body, knobs)
    if len(said) == 2:
        return completion(None, *_look_ups())
    if sum(message["role"] == "assistant" for message in said) == 1:
        return completion(None, tool_call("propose", _gossip(sorted(set(ODD_WORD.findall(json.dumps(said)))))))
    # The model sees the request that it would have had at first.
    return complete({**body, "messages": said[:2]}, knobs)


def _look_ups() -> list[dict[str, Any]]:
    splits = ("train", "validation", "holdout")
    trials = [f"{split}-{task:02}.{attempt}" for split in splits for task in range(SPREAD + 1) for attempt in range(2)]
    asked = [("read_trial", {"trial": trial}) for trial in trials]
    asked += [("search_trials", {"words": words}) for words in LOOKED_FOR]
    asked += [("read_file", {"path": path}) for path in ("main.py", "../../tasks/suite.toml", "/tests/test_hidden.py")]
    return [tool_call(name, arguments, f"call_{n}") for n, (name, arguments) in enumerate(asked)]


def _gossip(words: list[str]) -> dict[str, Any]:
    edit = {"path": "prompts/continue.md", "old": "", "new": f"Think of {', '.join(words)}.\n"}
    return {"hypothesis": "The tasks can be told.", "prediction": "All pass.", "edits": [edit]}


def _offered(body: str) -> list[str]:
    return [tool["function"]["name"] for tool in json.loads(body).get("tools", [])]


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    with mock.patch.object(server, "complete", curious):
        app = Recorded(server.create_app(), Path(sys.argv[1]))
        uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")).run([listener])


if __name__ == "__main__":
    main()
