"""One trial's gateway: routes, socket, and the recording of all requests."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from evolve.core.errors import EndpointError, EvolveError, InfraError, RequestRefused
from evolve.core.records import Limits, ModelSpec, Usage, stable_hash
from evolve.llm import ChatModel, estimate_prompt_tokens, fit_to_window, usage_of
from evolve.sandbox.shell import CommandResult, ShellDied
from evolve.trial.gateway.budget import TrialBudget
from evolve.trial.gateway.endurance import Endurance, HasHungUp, disconnect_check, longest_delay
from evolve.trial.gateway.request import event_size, model_request, parse_number, wants_usage
from evolve.trial.gateway.wire import (
    Body,
    BoundedProtocol,
    Intake,
    Refusal,
    error_response,
    json_response,
    stream_response,
)

SOCKET_NAME = "gateway.sock"
MAX_FILE = 1_000_000
MAX_TEXT = 2_000
READ_BYTES = 60_000
MAX_COMMAND_SECONDS = 120.0
KILLED = 137
Event = dict[str, Any]
Action = Callable[[Body, HasHungUp], Response]


class Workspace(Protocol):
    """Where commands run: the task's container, or a fake in tests."""

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult: ...


@dataclass(frozen=True)
class Door:
    """What a gateway serves. Nothing in here tells the scaffold which task it has."""

    task_id: str
    instruction: str
    workdir: str
    seed: int
    model: ModelSpec
    limits: Limits


class Gateway:
    """Serve one trial. Use as a context manager; `events` is the recording."""

    def __init__(self, door: Door, model: ChatModel, workspace: Workspace, folder: Path) -> None:
        self.door, self.model, self.workspace = door, model, workspace
        self.path = folder / SOCKET_NAME
        deadline = time.monotonic() + door.limits.seconds
        self.budget = TrialBudget(door.limits, door.model, deadline, longest_delay(door.model, door.limits))
        self.events: list[Event] = []
        self.fault: Exception | None = None
        self._calls = 0
        self._lock = threading.Lock()
        self._workspace_lock = threading.Lock()
        self._server = uvicorn.Server(self._config())
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def _config(self) -> uvicorn.Config:
        intake = Intake()
        routes = [
            Route("/evolve/task", self._route(intake, self._task), methods=["GET"]),
            Route("/evolve/budget", self._route(intake, self._budget), methods=["GET"]),
            Route("/evolve/run", self._route(intake, self._run), methods=["POST"]),
            Route("/evolve/read", self._route(intake, self._read), methods=["POST"]),
            Route("/evolve/write", self._route(intake, self._write), methods=["POST"]),
            Route("/v1/models", self._route(intake, self._models), methods=["GET"]),
            Route("/v1/chat/completions", self._route(intake, self._chat), methods=["POST"]),
        ]
        handlers: dict[Any, Any] = {HTTPException: _no_such_route, Exception: self._unexpected}
        app = Starlette(routes=routes, exception_handlers=handlers)
        app.router.redirect_slashes = False
        return uvicorn.Config(
            app,
            uds=str(self.path),
            http=BoundedProtocol,
            ws="none",
            log_level="critical",
            lifespan="off",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )

    def __enter__(self) -> Gateway:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise InfraError(f"the gateway could not listen on {self.path}")
            time.sleep(0.002)
        self.path.chmod(0o666)
        return self

    def __exit__(self, *_: object) -> None:
        """Ask the server to stop; it does at its next tick, and nothing waits for that."""
        self.budget.close()
        self._server.should_exit = True
        self._server.force_exit = True

    def wait_for_calls(self) -> None:
        """Wait until no call is running: only its end shows who delayed it. A call that never ends is a fault."""
        longest = longest_delay(self.door.model, self.door.limits)
        if not self.budget.wait_until_idle(longest - self.budget.given_back):
            self._note_fault(EndpointError("model endpoint: a call did not end"))

    def _route(self, intake: Intake, action: Action) -> Callable[[Request], Any]:
        """Make an HTTP endpoint of an action, which runs in a thread beside the event loop."""

        async def endpoint(request: Request) -> Response:
            try:
                async with intake.body(request) as body:
                    return await run_in_threadpool(self._run_action, action, body, disconnect_check(request))
            except Refusal as refusal:
                return error_response(refusal)

        return endpoint

    def _run_action(self, action: Action, body: Body, has_hung_up: HasHungUp) -> Response:
        """Run an action; a fault of the machine is noted, so the trial does not count, and answered with a 503."""
        try:
            return action(body, has_hung_up)
        except EvolveError as error:
            raise self._note_fault(error) from error

    async def _unexpected(self, request: Request, error: Exception) -> Response:
        """Treat a bug of the gateway as a fault of the machine: it is no evidence about the scaffold."""
        return error_response(self._note_fault(InfraError(f"gateway: {type(error).__name__}: {error}")))

    def _note_fault(self, error: Exception) -> Refusal:
        self.fault = self.fault or error
        return Refusal(503, "infrastructure", "the host has a fault; this trial will not count")

    def _record(self, kind: str, **content: Any) -> None:
        event = {"kind": kind, **content}
        self.budget.count_event(event_size(event))
        with self._lock:
            self.events.append(event)

    def _task(self, body: Body, has_hung_up: HasHungUp) -> Response:
        door = self.door
        task = {"id": door.task_id, "instruction": door.instruction, "workdir": door.workdir}
        context = {} if door.model.context_tokens is None else {"context_tokens": door.model.context_tokens}
        return json_response({**task, "budget": self.budget.left(), **context})

    def _budget(self, body: Body, has_hung_up: HasHungUp) -> Response:
        return json_response(self.budget.left())

    def _models(self, body: Body, has_hung_up: HasHungUp) -> Response:
        model = {"id": self.door.model.name, "object": "model", "created": 0, "owned_by": "run"}
        return json_response({"object": "list", "data": [model]})

    def _chat(self, body: Body, has_hung_up: HasHungUp) -> Response:
        request = self._fit(model_request(body, self.door.model, self.door.limits.max_tokens))
        reservation = self.budget.reserve(estimate_prompt_tokens(request), request["max_tokens"])
        spent = Usage()
        with self._lock:
            self._calls += 1
            index = self._calls
        request |= {"max_tokens": reservation.answer, "seed": stable_hash(self.door.seed, index) & 0x7FFFFFFF}
        endurance = Endurance(self.budget, has_hung_up)
        try:
            completion = self.model.complete(request, endurance)
            spent = usage_of(completion, self.door.model, request)
            endurance.check()
        except RequestRefused as error:
            endurance.check()
            raise self._refused(request, error) from error
        finally:
            self.budget.settle(reservation, Usage(0, spent.prompt_tokens, spent.completion_tokens, spent.cost_usd, 0))
        if refusal := self.budget.late_refusal():
            raise refusal
        self._record("chat", request=request, response=completion)
        return stream_response(completion, wants_usage(body)) if body.get("stream") else json_response(completion)

    def _fit(self, request: Body) -> Body:
        """Fit the request into the model's context window. Raises Refusal; a refused request costs nothing."""
        try:
            return fit_to_window(request, self.door.model)
        except RequestRefused as error:
            self.budget.check()
            raise self._refused(request, error, asked=False) from error

    def _refused(self, request: Body, error: RequestRefused, **more: bool) -> Refusal:
        refusal = Refusal(error.status, error.code[:MAX_TEXT], str(error)[:MAX_TEXT])
        fields = {"status": refusal.status, "code": refusal.code, "message": refusal.message}
        self._record("chat", request=request, error=fields, **more)
        return refusal

    def _run(self, body: Body, has_hung_up: HasHungUp) -> Response:
        command, timeout = str(body.get("command", "")), max(parse_number("timeout", body.get("timeout", 30)), 0.1)
        result = self._command(command, timeout)
        answer = {
            "exit_code": result.exit_code,
            "stdout": result.stdout.decode(errors="replace"),
            "stderr": result.stderr.decode(errors="replace"),
            "timed_out": result.timed_out,
            "truncated": result.truncated,
        }
        self._record("run", command=command, timeout=timeout, **answer)
        return json_response(answer)

    def _read(self, body: Body, has_hung_up: HasHungUp) -> Response:
        path = str(body.get("path", ""))
        result = self._command(f"head -c {READ_BYTES + 1} < {shlex.quote(path)}", 30)
        found, data = result.exit_code == 0, result.stdout[:READ_BYTES]
        self._record("read", path=path, found=found, bytes=len(data))
        if not found:
            raise Refusal(404, "not_found", f"no such file: {path}")
        return json_response({"text": data.decode(errors="replace"), "truncated": len(result.stdout) > READ_BYTES})

    def _write(self, body: Body, has_hung_up: HasHungUp) -> Response:
        path, text = str(body.get("path", "")), str(body.get("text", ""))
        data = text.encode()
        if len(data) > MAX_FILE:
            raise Refusal(413, "too_large", f"a file is at most {MAX_FILE} bytes")
        quoted = shlex.quote(path)
        result = self._command(f'mkdir -p -- "$(dirname -- {quoted})" && cat > {quoted}', 30, data)
        self._record("write", path=path, text=text, exit_code=result.exit_code)
        if result.exit_code != 0:
            raise Refusal(400, "not_writable", result.stderr.decode(errors="replace")[:500])
        return json_response({"bytes": len(data)})

    def _command(self, command: str, timeout: float, stdin: bytes = b"") -> CommandResult:
        with self._workspace_lock:
            left = self.budget.start_command()
            try:
                return self.workspace.run(command, min(timeout, left, MAX_COMMAND_SECONDS), stdin)
            except ValueError as error:
                raise Refusal(413, "too_large", str(error)) from error
            except ShellDied:
                # A command may kill its own shell; if the container is gone, this raises too.
                self.workspace.run("true", 10)
                return CommandResult(KILLED, b"", b"the command killed its shell\n")


async def _no_such_route(request: Request, error: HTTPException) -> Response:
    message = f"{request.method} {request.url.path[:200]}: {error.detail}"
    return error_response(Refusal(error.status_code, "not_found", message))
