"""The gateway's commands and files: what a scaffold does in the task's container."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from typing import Protocol

from starlette.responses import Response

from evolve.sandbox.shell import MAX_COMMAND, CommandResult
from evolve.sandbox.streams import ShellDied
from evolve.trial.gateway.arrivals import Arrival
from evolve.trial.gateway.budget import TrialBudget
from evolve.trial.gateway.endurance import HungUpAt
from evolve.trial.gateway.request import parse_number
from evolve.trial.gateway.wire import Body, Refusal, json_response
from evolve.trial.recording import output_fields

MAX_FILE = 1_000_000
READ_BYTES = 60_000
# The longest time of one command, unless the task follows Harbor, which has no such limit.
COMMAND_SECONDS = 120.0
KILLED = 137


class Workspace(Protocol):
    """Where commands run: the task's container, or a fake in tests."""

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult: ...


class Commands:
    """Run commands one at a time, each within what is left of the trial's budget.

    record: Adds an event of this kind to the recording. longest: The most seconds of one command.
    """

    def __init__(
        self, workspace: Workspace, budget: TrialBudget, record: Callable[..., None], longest: float = COMMAND_SECONDS
    ) -> None:
        self._workspace, self._budget, self._record, self._longest = workspace, budget, record, longest
        self._lock = threading.Lock()

    def run(self, body: Body, hung_up_at: HungUpAt, arrival: Arrival) -> Response:
        """Run a command, and answer with its output."""
        command, timeout = str(body.get("command", "")), max(parse_number("timeout", body.get("timeout", 30)), 0.1)
        result = self._execute(command, timeout)
        output = output_fields(result.stdout, result.stderr)
        ending = {"exit_code": result.exit_code, "timed_out": result.timed_out, "truncated": result.truncated}
        self._record("run", arrival, command=command, timeout=timeout, **output, **ending)
        return json_response({"stdout": output["stdout"], "stderr": output["stderr"], **ending})

    def read(self, body: Body, hung_up_at: HungUpAt, arrival: Arrival) -> Response:
        """Answer with the text of a file, up to READ_BYTES. Raises Refusal."""
        path = str(body.get("path", ""))
        result = self._execute(f"head -c {READ_BYTES + 1} < {shlex.quote(path)}", 30)
        found, data = result.exit_code == 0, result.stdout[:READ_BYTES]
        self._record("read", arrival, path=path, found=found, bytes=len(data))
        if not found:
            raise Refusal(404, "not_found", f"no such file: {path}")
        return json_response({"text": data.decode(errors="replace"), "truncated": len(result.stdout) > READ_BYTES})

    def write(self, body: Body, hung_up_at: HungUpAt, arrival: Arrival) -> Response:
        """Write a text into a file. Raises Refusal."""
        path, text = str(body.get("path", "")), str(body.get("text", ""))
        data = text.encode()
        if len(data) > MAX_FILE:
            raise Refusal(413, "too_large", f"a file is at most {MAX_FILE} bytes")
        quoted = shlex.quote(path)
        result = self._execute(f'mkdir -p -- "$(dirname -- {quoted})" && cat > {quoted}', 30, data)
        self._record("write", arrival, path=path, text=text, exit_code=result.exit_code)
        if result.exit_code != 0:
            raise Refusal(400, "not_writable", result.stderr.decode(errors="replace")[:500])
        return json_response({"bytes": len(data)})

    def _execute(self, command: str, timeout: float, stdin: bytes = b"") -> CommandResult:
        if "\0" in command:
            raise Refusal(400, "invalid_request", "neither a command nor a path can hold a zero character")
        if len(command.encode()) > MAX_COMMAND:
            raise Refusal(413, "too_large", f"a command is at most {MAX_COMMAND} bytes long")
        with self._lock:
            left = self._budget.start_command()
            try:
                with self._budget.working():
                    return self._workspace.run(command, min(timeout, left, self._longest), stdin)
            except ShellDied:
                # A command may kill its own shell; if the container is gone, this raises too.
                self._workspace.run("true", 10)
                return CommandResult(KILLED, b"", b"the command killed its shell\n")
