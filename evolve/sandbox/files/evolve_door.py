"""The scaffold's door to the outside: the model, the task, and the task's container. Standard library only.

Everything goes through one Unix socket to the host. Nothing else is reachable from a scaffold.
"""

import json
import os

# Not `socket`: every scaffold waits for these imports.
from _socket import AF_INET, AF_UNIX, SOCK_STREAM, socket


class DoorError(Exception):
    """The host refused a request. `status` is an HTTP status, `code` one word.

    Codes worth handling: `context_length_exceeded` (400), `budget` (403: the trial's budget is spent; stop),
    `not_found` (404: no such file), `too_large` (413) and `not_text` (400) of `read` and `replace`, `no_match` and
    `ambiguous` (400) of `replace`, `invalid_request` (400).
    """

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class _Message(dict):
    """An assistant's message. `finish_reason` says why it ends: "stop", "tool_calls", or "length" if it was cut off.

    It is an attribute and no key, so that a message that is handed back holds only what the model wrote. None: unknown.
    """

    finish_reason = None


class Result:
    """What a command left: `exit_code`, `stdout`, `stderr` (text), `timed_out`, `truncated`."""

    def __init__(self, exit_code, stdout, stderr, timed_out=False, truncated=False):
        self.exit_code, self.stdout, self.stderr = exit_code, stdout, stderr
        self.timed_out, self.truncated = timed_out, truncated


def _connect():
    """Connect to the host: by the socket, or in the task's container by a port."""
    if "EVOLVE_SOCKET" in os.environ:
        kind, address = AF_UNIX, os.environ["EVOLVE_SOCKET"]
    else:
        host, _, port = os.environ["EVOLVE_URL"].rpartition("/")[2].partition(":")
        kind, address = AF_INET, (host, int(port))
    door = socket(kind, SOCK_STREAM)
    try:
        door.connect(address)
    except OSError:
        door.close()
        raise
    return door


def _exchange(request):
    """Send a request, and return everything that is answered until the other side closes."""
    door, parts = _connect(), []
    try:
        door.sendall(request)
        while part := door.recv(65536):
            parts.append(part)
    finally:
        door.close()
    return b"".join(parts)


def _call(method, path, body=None):
    """One request on a connection of its own. By hand: importing http.client would double a scaffold's start."""
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    begin, _, text = _exchange(head.encode() + data).partition(b"\r\n\r\n")
    if not begin:
        raise ConnectionError("the door closed without an answer")
    status, answer = int(begin.split(None, 2)[1]), json.loads(text)
    if status >= 400:
        error = answer.get("error", {})
        raise DoorError(status, error.get("code", ""), error.get("message", ""))
    return answer


def task():
    """The task: {"id": opaque id, "instruction": text, "workdir": path, "budget": {...}}.

    Where the model's context window is known, `context_tokens` too: of prompt and answer together. If the task has MCP
    servers, `mcp_servers`: reached from the task's container by `url`, or started there by `command` and `args`.
    """
    return _call("GET", "/evolve/task")


def budget():
    """What is left: {"calls": int, "tokens": int, "usd": float, "seconds": float}."""
    return _call("GET", "/evolve/budget")


def complete(messages, tools=None, **sampling):
    """One chat completion, as the OpenAI API returns it (a dictionary). `sampling`: temperature, top_p ..."""
    body = {"messages": messages, **sampling}
    if tools:
        body["tools"] = tools
    return _call("POST", "/v1/chat/completions", body)


def chat(messages, tools=None, **sampling):
    """The assistant's message of one chat completion: {"role", "content", "tool_calls"?}, and its `finish_reason`.

    Hand it back whole with the conversation: some models need the reasoning that may stand in it.
    """
    choice = complete(messages, tools, **sampling)["choices"][0]
    message = _Message(choice["message"])
    message.finish_reason = choice.get("finish_reason")
    return message


def run(command, timeout=30.0):
    """Run a shell command in the task's container, in its working directory. Returns a Result."""
    return Result(**_call("POST", "/evolve/run", {"command": command, "timeout": timeout}))


def read(path):
    """The whole text of a file in the task's container; a relative path starts at the working directory.

    A file that is too large, or not UTF-8, is a DoorError.
    """
    return _call("POST", "/evolve/read", {"path": path})["text"]


def write(path, text):
    """Write a file in the task's container, making its folders."""
    _call("POST", "/evolve/write", {"path": path, "text": text})


def replace(path, old, new):
    """Replace the text `old`, which must be in a file of the task's container exactly once, by `new`.

    Nothing else of the file changes: bytes, line ends and permissions stay, whatever its size. Otherwise it stays as it
    is, and a DoorError says why.
    """
    _call("POST", "/evolve/replace", {"path": path, "old": old, "new": new})
