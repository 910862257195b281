"""The scaffold's only door: chat completions and the task's container, metered and recorded, on a Unix socket."""

from __future__ import annotations

import json
import math
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from evolve.errors import EvolveError, InfraError, RequestRefused
from evolve.llm import ChatModel, usage_of
from evolve.records import Limits, ModelSpec, Usage, stable_hash
from evolve.sandbox.shell import CommandResult

SOCKET_NAME = "gateway.sock"
MAX_BODY = 4_000_000
MAX_FILE = 1_000_000
READ_BYTES = 60_000
MAX_COMMAND_SECONDS = 120.0
FROZEN = (
    "model",
    "reasoning_effort",
    "seed",
    "n",
    "user",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
)
Event = dict[str, Any]
Body = dict[str, Any]


class Workspace(Protocol):
    """Where commands run: the task's container, or a fake in tests."""

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult: ...


@dataclass(frozen=True)
class Door:
    """What one trial's gateway is about: nothing in here tells the scaffold which task it has."""

    task_id: str
    instruction: str
    workdir: str
    seed: int
    model: ModelSpec
    limits: Limits


class Refusal(Exception):
    """An answer in the API's error form, with an HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Ledger:
    """What the trial has spent, and whether a limit was met; checked before each call, charged before parsing."""

    limits: Limits
    deadline: float
    usage: Usage = field(default_factory=Usage)
    exhausted: str = ""

    def left(self) -> dict[str, float]:
        used = self.usage
        return {
            "calls": max(self.limits.calls - used.calls, 0),
            "tokens": max(self.limits.tokens - used.prompt_tokens - used.completion_tokens, 0),
            "usd": max(self.limits.usd - used.cost_usd, 0.0),
            "seconds": max(self.deadline - time.monotonic(), 0.0),
        }

    def check(self) -> None:
        """Raise Refusal if nothing is left of something; a limit of 0 dollars bars nothing that costs nothing."""
        for name, amount in self.left().items():
            if amount <= 0 and not (name == "usd" and self.usage.cost_usd == 0):
                self.exhausted = name
                raise Refusal(429, "budget", f"the trial's budget of {name} is spent")


class Gateway:
    """Serves one trial. Use as a context manager; `events` is the record of all that went through."""

    def __init__(self, door: Door, model: ChatModel, workspace: Workspace, folder: Path) -> None:
        self.door, self.model, self.workspace = door, model, workspace
        self.path = folder / SOCKET_NAME
        self.ledger = Ledger(door.limits, time.monotonic() + door.limits.seconds)
        self.events: list[Event] = []
        self.fault: Exception | None = None
        self._calls = 0
        self._lock = threading.Lock()
        self._workspace_lock = threading.Lock()
        routes = [
            Route("/evolve/task", self._route(self._task), methods=["GET"]),
            Route("/evolve/budget", self._route(lambda body: self.ledger.left()), methods=["GET"]),
            Route("/evolve/run", self._route(self._run), methods=["POST"]),
            Route("/evolve/read", self._route(self._read), methods=["POST"]),
            Route("/evolve/write", self._route(self._write), methods=["POST"]),
            Route("/v1/models", self._route(self._models), methods=["GET"]),
            Route("/v1/chat/completions", self._route(self._chat), methods=["POST"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            uds=str(self.path),
            log_level="critical",
            lifespan="off",
            access_log=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Gateway:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise InfraError(f"the gateway could not listen on {self.path}")
            time.sleep(0.002)
        self.path.chmod(0o666)
        return self

    def __exit__(self, *_: object) -> None:
        """Tell the server to end; it does at its next tick, and a trial need not wait for that."""
        self._server.should_exit = True
        self._server.force_exit = True

    def _route(self, action: Callable[[Body], Any]) -> Callable[[Request], Any]:
        """An HTTP endpoint around one action; the action's work runs beside the event loop."""

        async def endpoint(request: Request) -> Response:
            try:
                body = await _body(request)
                answer = await run_in_threadpool(self._guarded, action, body)
            except Refusal as refusal:
                return _error(refusal)
            if isinstance(answer, Iterator):
                return StreamingResponse(answer, media_type="text/event-stream")
            return JSONResponse(answer)

        return endpoint

    def _guarded(self, action: Callable[[Body], Any], body: Body) -> Any:
        """Faults of the machine are kept for the trial, which then is no evidence; the scaffold sees a 503."""
        try:
            return action(body)
        except EvolveError as error:
            self.fault = self.fault or error
            raise Refusal(503, "infrastructure", "the host has a fault; this trial will not count") from error

    def _record(self, kind: str, **content: Any) -> None:
        with self._lock:
            self.events.append({"kind": kind, **content})

    def _task(self, body: Body) -> Body:
        door = self.door
        budget = self.ledger.left()
        return {
            "id": door.task_id,
            "instruction": door.instruction,
            "workdir": door.workdir,
            "budget": budget,
        }

    def _models(self, body: Body) -> Body:
        return {
            "object": "list",
            "data": [{"id": self.door.model.name, "object": "model", "owned_by": "run"}],
        }

    def _chat(self, body: Body) -> Any:
        request = self._frozen(body)
        with self._lock:
            self.ledger.check()
            self._calls += 1
            self.ledger.usage += Usage(calls=1)
            index = self._calls
        request["seed"] = stable_hash(self.door.seed, index) & 0x7FFFFFFF
        try:
            completion = self.model.complete(request)
        except RequestRefused as error:
            self._record(
                "chat",
                request=request,
                error={"status": error.status, "code": error.code, "message": str(error)},
            )
            raise Refusal(error.status, error.code, str(error)) from error
        spent = usage_of(completion, self.door.model)
        with self._lock:
            self.ledger.usage += Usage(0, spent.prompt_tokens, spent.completion_tokens, spent.cost_usd, 0)
        self._record("chat", request=request, response=completion)
        return _chunks(completion) if body.get("stream") else completion

    def _frozen(self, body: Body) -> Body:
        """The scaffold's request with what the run froze put back."""
        if not isinstance(body.get("messages"), list):
            raise Refusal(400, "invalid_request", "`messages` must be a list")
        request = {key: value for key, value in body.items() if key not in FROZEN}
        asked = body.get("max_completion_tokens") or body.get("max_tokens") or self.door.limits.max_tokens
        request["model"] = self.door.model.name
        request["max_tokens"] = max(1, int(min(_number("max_tokens", asked), self.door.limits.max_tokens)))
        return request

    def _run(self, body: Body) -> Body:
        command, timeout = str(body.get("command", "")), max(_number("timeout", body.get("timeout", 30)), 0.1)
        result = self._command(command, timeout)
        answer = {
            "exit_code": result.exit_code,
            "stdout": result.stdout.decode(errors="replace"),
            "stderr": result.stderr.decode(errors="replace"),
            "timed_out": result.timed_out,
            "truncated": result.truncated,
        }
        self._record("run", command=command, timeout=timeout, **answer)
        return answer

    def _read(self, body: Body) -> Body:
        path = str(body.get("path", ""))
        result = self._command(f"head -c {READ_BYTES + 1} < {shlex.quote(path)}", 30)
        found, data = result.exit_code == 0, result.stdout[:READ_BYTES]
        self._record("read", path=path, found=found, bytes=len(data))
        if not found:
            raise Refusal(404, "not_found", f"no such file: {path}")
        return {"text": data.decode(errors="replace"), "truncated": len(result.stdout) > READ_BYTES}

    def _write(self, body: Body) -> Body:
        path, text = str(body.get("path", "")), str(body.get("text", ""))
        data = text.encode()
        if len(data) > MAX_FILE:
            raise Refusal(413, "too_large", f"a file is at most {MAX_FILE} bytes")
        quoted = shlex.quote(path)
        result = self._command(f'mkdir -p -- "$(dirname -- {quoted})" && cat > {quoted}', 30, data)
        self._record("write", path=path, text=text, exit_code=result.exit_code)
        if result.exit_code != 0:
            raise Refusal(400, "not_writable", result.stderr.decode(errors="replace")[:500])
        return {"bytes": len(data)}

    def _command(self, command: str, timeout: float, stdin: bytes = b"") -> CommandResult:
        with self._lock:
            left = self.ledger.left()["seconds"]
            if left <= 0:
                self.ledger.exhausted = "seconds"
                raise Refusal(429, "budget", "the trial's time is over")
            self.ledger.usage += Usage(commands=1)
        with self._workspace_lock:
            try:
                return self.workspace.run(command, min(timeout, left, MAX_COMMAND_SECONDS), stdin)
            except ValueError as error:
                raise Refusal(413, "too_large", str(error)) from error


async def _body(request: Request) -> Body:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise Refusal(413, "too_large", f"a request is at most {MAX_BODY} bytes")
    if request.method == "GET":
        return {}
    try:
        body = json.loads(bytes(raw))
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "invalid_request", f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "invalid_request", "the body must be a JSON object")
    if b"\\ud" in raw.lower():
        _refuse_lone_surrogates(body)
    return body


def _refuse_lone_surrogates(body: Body) -> None:
    """Text with half a character can be written in JSON, but sent nowhere."""
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise Refusal(400, "invalid_request", f"the text is not valid Unicode: {error.reason}") from error


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Refusal(400, "invalid_request", f"`{name}` must be a number") from error
    if not math.isfinite(number):
        raise Refusal(400, "invalid_request", f"`{name}` must be a finite number")
    return number


def _error(refusal: Refusal) -> JSONResponse:
    error = {"message": refusal.message, "type": refusal.code, "code": refusal.code, "param": None}
    return JSONResponse({"error": error}, status_code=refusal.status)


def _chunks(completion: Mapping[str, Any]) -> Iterator[str]:
    """One completion as the server-sent events of a stream: the message whole, then its end, then the usage."""
    choice = completion["choices"][0]
    delta = dict(choice["message"])
    if calls := delta.get("tool_calls"):
        delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(calls)]
    head = {
        "id": completion.get("id", ""),
        "object": "chat.completion.chunk",
        "created": 0,
        "model": completion.get("model", ""),
    }
    yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice.get("finish_reason")}]})
    yield _event({**head, "choices": [], "usage": completion.get("usage")})
    yield "data: [DONE]\n\n"


def _event(content: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"
