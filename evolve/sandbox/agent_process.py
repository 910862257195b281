"""An agent that runs in the task's container: a command of the agent's user there, with its output and its end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evolve.core.errors import EngineError
from evolve.core.records import Cause
from evolve.sandbox import exit_cause
from evolve.sandbox.container import Container
from evolve.sandbox.exit_cause import KILLED, engine_faults
from evolve.sandbox.scaffold_container import LOG_BYTES
from evolve.sandbox.sessions import end_sessions
from evolve.sandbox.streams import STDERR, frames

# It waits for a line of the host's: what comes together with the engine's answer to the start, the client would lose.
# Its own standard error is the host's alone: the session first, the command's exit status last. If memory runs out, the
# kernel kills the command before the container's first process, with which the counters would go.
WRAPPER = (
    'read -r _; echo 1000 2>/dev/null >/proc/self/oom_score_adj; echo $$ >&2; "$@" 2>&1 <"$EVOLVE_STDIN"; echo $? >&2'
)
NOTHING = "/dev/null"
# How long the rest of its output is waited for, which what it left running may keep open.
REST_SECONDS = 0.1
# How long the engine, on a busy machine, may take to pass on the status of a command that it says has ended.
REPORT_SECONDS = 20.0
# How much of what should be two numbers is kept.
MARK_BYTES = 64


@dataclass(frozen=True)
class AgentCommand:
    """What runs in the task's container. `stdin`: a file there; `user`: the agent's."""

    arguments: Sequence[str]
    user: str
    workdir: str
    environment: Mapping[str, str]
    stdin: str = NOTHING


class AgentProcess:
    """The running command and the end of its output. Processes that outlive the command are not waited for.

    Args:
        sessions: Gets the id of the command's session, by which `end_sessions` finds its processes.
    """

    def __init__(self, container: Container, command: AgentCommand, sessions: set[int]) -> None:
        self.container, self._user, self._sessions = container, command.user, sessions
        self.output, self._marks = b"", b""
        self._ended, self._drained = threading.Event(), threading.Event()
        api = container.client.api
        with engine_faults():
            self._exec: str = api.exec_create(
                container.id,
                ["sh", "-c", WRAPPER, "sh", *command.arguments],
                user=command.user,
                workdir=command.workdir,
                environment={**command.environment, "EVOLVE_STDIN": command.stdin},
                stdin=True,
            )["Id"]
            owner: Any = api.exec_start(self._exec, socket=True)
            self._owner = owner
            self._socket: socket.socket = getattr(owner, "_sock", owner)
            self._socket.settimeout(None)
            self._socket.sendall(b"\n")
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        """Read frames until the streams end; the engine hangs if its client stops reading."""
        stream = self._socket.makefile("rb")
        with contextlib.suppress(OSError, ValueError):
            for kind, data in frames(stream):
                self._take(kind, data)
        self._ended.set()
        self._drained.set()

    def _take(self, kind: int, data: bytes) -> None:
        if kind != STDERR:
            self.output = (self.output + data)[-LOG_BYTES:]
            return
        self._marks = (self._marks + data)[:MARK_BYTES]
        marks = self._marks.split(b"\n")
        if len(marks) > 1 and marks[0].isdigit():
            self._sessions.add(int(marks[0]))
        if len(marks) > 2:
            self._ended.set()

    def wait(self, seconds: float) -> bool:
        """Wait until the command has ended, whatever it left running. Returns whether it has."""
        if self._ended.wait(max(seconds, 0.0)):
            return True
        with engine_faults():
            facts = self.container.client.api.exec_inspect(self._exec)
        if facts["Running"]:
            return False
        # The process that reports the end may have been killed; otherwise its report is still on the way.
        if facts["ExitCode"] == 0:
            self._ended.wait(REPORT_SECONDS)
        return True

    def status(self) -> int:
        """The exit status after its end. Raises InfraError if the engine lost the container."""
        self._drained.wait(REST_SECONDS)
        marks = self._marks.split(b"\n")
        if len(marks) > 2:
            return _parse_status(marks[1])
        if not self.container.is_running():
            is_root = self._user.startswith("0")
            if not exit_cause.ended_from_within(self.container.client, self.container.id, is_root):
                raise EngineError(f"the engine ended container {self.container.id[:12]}")
        return KILLED

    def cause(self, status: int | None) -> Cause:
        """NONE: its limits are the task's container's, which says itself which it has exceeded."""
        return Cause.NONE

    def kill(self) -> None:
        """End the command with its descendants, but not the services that it started. Raises InfraError."""
        end_sessions(self.container, self._sessions, self._user)

    def close(self) -> None:
        """Stop reading its output."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._owner.close()


def _parse_status(text: bytes) -> int:
    """Parse the exit status; 1 if it is invalid, since the agent may have written it."""
    return int(text) if len(text) <= 3 and text.isdigit() else 1
