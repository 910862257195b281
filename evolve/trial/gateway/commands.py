"""The gateway's commands and files: what a scaffold does in the task's container."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from starlette.responses import Response

from evolve.sandbox.shell import MAX_COMMAND, CommandResult
from evolve.sandbox.streams import ShellDied
from evolve.trial.gateway.arrivals import Arrival
from evolve.trial.gateway.budget import TrialBudget
from evolve.trial.gateway.edits import APART, IN_PLACE, SWAP, Problem, replaced, text_of
from evolve.trial.gateway.edits import MAX_FILE as MAX_FILE
from evolve.trial.gateway.endurance import HungUpAt
from evolve.trial.gateway.request import parse_number
from evolve.trial.gateway.wire import Body, Refusal, json_response
from evolve.trial.recording import output_fields

READ_BYTES = 60_000
MAX_PATH = 4096
MOST_DIGITS = 18
FILE_SECONDS = 30.0
RESTORE_SECONDS = 30.0
# The longest time of one command, unless the task follows Harbor, which has no such limit.
COMMAND_SECONDS = 120.0
KILLED = 137
MIN_SECONDS = 0.1
SIZE = "[ -f {path} ] && wc -c < {path}"
CHUNK = "dd bs={bytes} skip={number} count=1 2>/dev/null < {path}"


class Workspace(Protocol):
    """Where commands run: the task's container, or a fake in tests."""

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult: ...


class Run(Protocol):
    """Run a part of a command in the workspace, within what is left of its time."""

    def __call__(self, command: str, timeout: float, stdin: bytes = b"") -> CommandResult: ...


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
        """Answer with the whole text of a file. Raises Refusal, also if it is over READ_BYTES or not UTF-8."""
        path = str(body.get("path", ""))
        result = self._execute(f"head -c {READ_BYTES + 1} < {shlex.quote(path)}", FILE_SECONDS)
        found, data = result.exit_code == 0, result.stdout[:READ_BYTES]
        refusal = _unreadable(path, result)
        problem = {"problem": refusal.code} if refusal and found else {}
        self._record("read", arrival, path=path, found=found, bytes=len(data), **problem)
        if refusal:
            raise refusal
        return json_response({"text": data.decode(), "truncated": False})

    def replace(self, body: Body, hung_up_at: HungUpAt, arrival: Arrival) -> Response:
        """Replace a text that is in a file once. All else of the file stays, and so does the file if that fails.

        Raises Refusal.
        """
        path, old, new = (_text(body, name) for name in ("path", "old", "new"))
        if "\n" in path or len(path.encode()) > MAX_PATH:
            raise Refusal(400, "invalid_request", f"a path is one line of at most {MAX_PATH} bytes")
        try:
            with self._command() as run:
                data = _contents(run, path)
                result = _replaced(path, data, old, new)
                _put(run, path, result, data)
        except Refusal as refusal:
            if refusal.code != "budget":
                self._record("replace", arrival, path=path, old=old, new=new, exit_code=1, problem=refusal.code)
            raise
        self._record("replace", arrival, path=path, old=old, new=new, exit_code=0)
        return json_response({"bytes": len(result)})

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
        with self._command() as run:
            return run(command, timeout, stdin)

    @contextmanager
    def _command(self) -> Iterator[Run]:
        """Count one command, which runs in the workspace in as many parts as it needs, while no other one does."""
        with self._lock:
            left = self._budget.start_command()
            end = time.monotonic() + left

            def run(command: str, timeout: float, stdin: bytes = b"") -> CommandResult:
                rest = max(end - time.monotonic(), MIN_SECONDS)
                try:
                    return self._workspace.run(command, min(timeout, rest, self._longest), stdin)
                except ShellDied:
                    # A command may kill its own shell; if the container is gone, this raises too.
                    self._workspace.run("true", 10)
                    return CommandResult(KILLED, b"", b"the command killed its shell\n")

            with self._budget.working():
                yield run


def _unreadable(path: str, result: CommandResult) -> Refusal | None:
    """Why a file can't be read, by what `head` printed of it; None if it can."""
    if result.exit_code != 0:
        return Refusal(404, "not_found", f"no such file: {path}")
    if len(result.stdout) > READ_BYTES:
        fix = "run a command that prints a part, such as `sed -n 1,200p`; `replace` edits it"
        return Refusal(413, "too_large", f"{path} has more than {READ_BYTES} bytes: {fix}")
    try:
        text_of(path, result.stdout)
    except Problem as problem:
        return Refusal(problem.status, problem.code, problem.message)
    return None


def _replaced(path: str, data: bytes, old: str, new: str) -> bytes:
    try:
        return replaced(path, data, old, new)
    except Problem as problem:
        raise Refusal(problem.status, problem.code, problem.message) from problem


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or "\0" in value:
        raise Refusal(400, "invalid_request", f"`{name}` must be a text without zero characters")
    return value


def _contents(run: Run, path: str) -> bytes:
    """The bytes of a file, in parts that no shell cuts. Raises Refusal."""
    quoted = shlex.quote(path)
    size = run(SIZE.format(path=quoted), FILE_SECONDS)
    digits = size.stdout.strip()
    if not size.timed_out and (size.exit_code != 0 or not digits.isdigit() or len(digits) > MOST_DIGITS):
        raise Refusal(404, "not_found", f"no such file: {path}")
    wanted = -1 if size.timed_out else int(digits)
    if wanted > MAX_FILE:
        raise Refusal(413, "too_large", f"{path} has {wanted} bytes; a file is at most {MAX_FILE} bytes")
    data = b""
    for number in range(-(-wanted // READ_BYTES)):
        data += run(CHUNK.format(bytes=READ_BYTES, number=number, path=quoted), FILE_SECONDS).stdout
    if len(data) != wanted:
        raise Refusal(400, "changed", f"{path} could not be read whole, or it changed meanwhile: try again")
    return data


def _put(run: Run, path: str, content: bytes, before: bytes) -> None:
    """Write a file's new content; what was there before comes back if that fails. Raises Refusal."""
    quoted = shlex.quote(path)
    done = run(SWAP.format(path=quoted, size=len(content)), FILE_SECONDS, content)
    if done.exit_code == APART:
        done = run(IN_PLACE.format(path=quoted, size=len(content)), FILE_SECONDS, content)
        if done.exit_code != 0:
            run(IN_PLACE.format(path=quoted, size=len(before)), RESTORE_SECONDS, before)
    if done.exit_code != 0:
        reason = done.stderr.decode(errors="replace").strip()[:500]
        raise Refusal(400, "not_writable", f"{path} is as it was: {reason or 'it could not be written'}")
