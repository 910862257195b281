"""Whatever a scaffold sends is answered: nothing of it is a fault of the host, and every refusal is counted."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolve.core.records import Limits, ModelSpec
from evolve.llm import ChatModel, EmbeddedModel, open_model
from evolve.sandbox.shell import MAX_COMMAND, CommandResult
from evolve.trial import trajectory
from evolve.trial.gateway import Door, Gateway
from tests.fakes import ScriptedModel, completion, tool_call, trial_spec
from tests.test_gateway import TOOL, USER
from tests.upstream import Upstream, raw, says

# `make long` sets EVOLVE_FUZZ_REQUESTS.
REQUESTS = int(os.environ.get("EVOLVE_FUZZ_REQUESTS", "400"))
OTHER_REQUESTS = max(REQUESTS // 10, 60)
ROUTES = (
    "/v1/chat/completions",
    "/evolve/run",
    "/evolve/read",
    "/evolve/write",
    "/evolve/task",
    "/evolve/budget",
    "/v1/models",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses/input_tokens",
    "/v1/models/any",
)
CONTINUE = b"http/1.1 100 continue\r\n\r\n"
NO_LIMITS = Limits(calls=10**9, tokens=10**15, usd=10**9, seconds=3600)


class Workspace:
    """Takes what a real shell takes, and does nothing."""

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
        assert "\0" not in command and len(command.encode()) <= MAX_COMMAND and 0 < timeout <= 120
        return CommandResult(len(command) % 3, b"\xff out", b"\x00 err")


@contextlib.contextmanager
def serving(folder: Path, model: ChatModel, spec: ModelSpec) -> Iterator[Gateway]:
    with Gateway(Door("opaque", "Mend it.", "/work", 7, spec, NO_LIMITS), model, Workspace(), folder) as served:
        yield served


CALL = tool_call("look", {"at": "a.txt"})
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
VALID: tuple[dict[str, Any], ...] = (
    {"messages": [USER], "max_tokens": 9, "temperature": 0.5, "stop": ["x"], "stream": True},
    {
        "messages": [
            {"role": "system", "content": "Mend."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]},
        ],
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "stream_options": {"include_usage": True},
    },
    {
        "messages": [
            USER,
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "x"},
        ],
        "tools": [TOOL],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
        "logit_bias": {"1": 1},
        "functions": [{"name": "f", "parameters": {}}],
    },
    {"command": "ls", "timeout": 3},
    {"path": "a/b.txt", "text": "content"},
)
SEALED = base64.b64encode(json.dumps({"evolve": {"reasoning_content": None, "reasoning_details": [{"x": 1}]}}).encode())
RESPONSES: tuple[dict[str, Any], ...] = (
    {
        "model": "m",
        "instructions": "Mend.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": SEALED.decode(),
            },
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
            {"type": "function_call_output", "call_id": "c1", "output": "x"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "x"}]},
        ],
        "tools": [
            {"type": "function", "name": "look", "parameters": {"type": "object"}},
            {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "look"}]},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "look"}]},
        "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}},
        "reasoning": {"effort": "low"},
        "stream": True,
    },
    {"input": "hi", "max_output_tokens": 9, "temperature": 0.5, "metadata": {"a": "b"}},
)
MESSAGES: tuple[dict[str, Any], ...] = (
    {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "Mend.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": SEALED.decode()},
                    {"type": "redacted_thinking", "data": SEALED.decode()},
                    {"type": "text", "text": "b"},
                    {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "x"}]},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                ],
            },
        ],
        "tools": [{"name": "look", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
        "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
        "stop_sequences": ["END"],
        "output_config": {"format": {"type": "json_schema", "schema": {}}},
        "stream": True,
    },
    {"max_tokens": 9, "messages": [USER], "temperature": 0.5, "thinking": {"type": "enabled", "budget_tokens": 9}},
)
ODD_TEXTS = st.sampled_from(
    ["", "\0", "a\0b", "\ud800", "x\udfff", "\ufeff", "NaN", "null", "tool", "assistant", "data:", "'\"$(ls)", "é" * 9]
)
NUMBERS = st.sampled_from([0, -1, 10**30, -(10**400), 1e308, float("nan"), float("inf"), True, 2**63])
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | ODD_TEXTS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_TEXTS | st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
HEADERS = st.sampled_from(
    [
        "",
        "",
        "",
        "Host: [",
        "Host: a:b:c",
        "Host: \xff",
        "Content-Type: text/plain",
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
        "Content-Length: 5",
        "Content-Length: x",
        "Upgrade: websocket\r\nConnection: Upgrade",
        "Connection: close",
        "Cookie: \xe9",
        "Content-Encoding: gzip",
    ]
)
PATHS = st.sampled_from(
    [
        *ROUTES,
        *ROUTES,
        "/",
        "//",
        "/evolve/run/",
        "*",
        "/%00",
        "/%ff",
        "/\xff",
        "/evolve/run?a=%",
        "http://[/x",
        "/evolve/task#a",
    ]
)


def with_something_else(draw: Callable[[Any], Any], value: Any) -> Any:
    """The value with one part of it replaced, left out or repeated."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 9)) == 0:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: with_something_else(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], with_something_else(draw, value[place]), *value[place + 1 :]]
    return draw(ODD)


@st.composite
def almost_valid(draw: Callable[[Any], Any], valid: tuple[dict[str, Any], ...] = VALID) -> bytes:
    """JSON like that of a client, with something odd in it, in an encoding that may be another one."""
    body = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(0, 2))):
        body = with_something_else(draw, body)
    text = json.dumps(body, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 9)) == 0:
        depth = draw(st.sampled_from([50, 99, 101, 5000, 200_000]))
        text = text.replace('"x"', "[" * depth + "]" * depth, 1)
    if draw(st.integers(0, 9)) == 0:
        text = text.replace("{", '{"messages": 1, "command": 2, ', 1)
    encoding = draw(st.sampled_from(["utf-8"] * 8 + ["utf-16", "utf-32-le", "utf-8-sig", "latin-1"]))
    return text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")


BODIES = almost_valid() | almost_valid() | almost_valid() | st.binary(max_size=60)


def request_of(method: str, path: str, header: str, body: bytes) -> bytes:
    length = "" if "Content-Length" in header or "chunked" in header else f"Content-Length: {len(body)}\r\n"
    host = "" if header.startswith("Host") else "Host: gateway\r\n"
    last = f"{header}\r\n" if header else ""
    head = f"{method} {path} HTTP/1.1\r\nConnection: close\r\n{host}{length}{last}\r\n"
    return head.encode("latin-1", "replace") + body


REQUEST = st.builds(request_of, st.sampled_from(["POST"] * 9 + ["GET", "HEAD", "PUT", "BREW"]), PATHS, HEADERS, BODIES)
OTHER_PROTOCOLS = st.one_of(
    *(
        st.builds(request_of, st.just("POST"), st.sampled_from(paths), st.just(""), almost_valid(valid))
        for valid, paths in (
            (RESPONSES, ("/v1/responses", "/v1/responses", "/v1/responses/input_tokens")),
            (MESSAGES, ("/v1/messages", "/v1/messages", "/v1/messages/count_tokens")),
        )
    )
)
SENT = st.one_of(
    REQUEST,
    st.builds(request_of, st.just("POST"), st.just(ROUTES[0]), st.just(""), BODIES),
    st.builds(request_of, st.just("POST"), st.sampled_from(ROUTES[1:4]), st.just(""), BODIES),
    OTHER_PROTOCOLS,
    OTHER_PROTOCOLS,
    st.binary(max_size=80),
)


def is_whole(sent: bytes) -> bool:
    """Whether the server need not wait for more."""
    head, end, body = sent.partition(b"\r\n\r\n")
    return bool(end) and b"HTTP/1.1\r\n" in head and f"Content-Length: {len(body)}\r".encode() in head + b"\r"


def answer_to(served: Gateway, sent: bytes) -> bytes:
    """The head of the answer to these bytes, in lower case; empty if the connection was closed without one."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(served.path))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
            if not is_whole(sent):
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            return connection.makefile("rb").read().lower().removeprefix(CONTINUE).partition(b"\r\n\r\n")[0]
    return b""


def check(served: Gateway, sent: bytes) -> None:
    """Send it, and see that it was handled or refused, and that the refusal was counted."""
    before = served.refusals.total()
    head = answer_to(served, sent)
    status = int(head.split()[1]) if head else 0
    fault, served.fault = served.fault, None
    assert fault is None and status < 500, (fault, head)
    # The server itself refuses what is not HTTP, in plain text; and nobody waits for the answer to half a request.
    if is_whole(sent) and status >= 400 and b"application/json" in head:
        assert served.refusals.total() > before, head


FUZZ = settings(
    deadline=None, max_examples=REQUESTS, suppress_health_check=list(HealthCheck), print_blob=True, database=None
)


@FUZZ
@given(SENT)
def test_nothing_that_is_sent_is_a_fault_of_the_host(fuzzed: Gateway, sent: bytes) -> None:
    check(fuzzed, sent)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("fuzz")
    with serving(folder, ScriptedModel(completion(None, CALL)), ModelSpec("m")) as served:
        yield served
    # What passed can be written down.
    spec = trial_spec(folder / "run")
    document = trajectory.build(spec, served.events, served.budget.usage, "")
    trajectory.store(folder / "t.gz", folder, [document])
    trajectory.store(folder / "r.gz", folder, served.events)


ANSWERS = {
    "responses": raw(
        json.dumps(
            {
                "id": "r",
                "object": "response",
                "status": "completed",
                "output": [
                    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}
                ],
                "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
            }
        )
    ),
    "messages": raw(
        json.dumps(
            {
                "id": "m",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [{"type": "text", "text": "hello"}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 1, "output_tokens": 1},
            }
        )
    ),
}
CHATS = st.builds(request_of, st.just("POST"), st.just(ROUTES[0]), st.just(""), almost_valid()) | OTHER_PROTOCOLS


@pytest.fixture(scope="module", params=["embedded", "text tools", "chat", "responses", "messages"])
def any_model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, upstream_process: Upstream
) -> Iterator[Gateway]:
    """Gateways before each kind of client, whose code handles the request too."""
    upstream_process.script(ANSWERS.get(request.param, says()))
    spec = upstream_process.spec(
        api=request.param if request.param in ANSWERS else "chat", text_tools=request.param == "text tools"
    )
    model = EmbeddedModel() if request.param == "embedded" else open_model(spec)
    with serving(tmp_path_factory.mktemp("any"), model, spec) as served:
        yield served


@settings(FUZZ, max_examples=OTHER_REQUESTS)
@given(CHATS)
def test_no_chat_breaks_a_client(any_model: Gateway, sent: bytes) -> None:
    check(any_model, sent)
