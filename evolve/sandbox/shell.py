"""A shell that stays open inside a container, so that a command costs a write and a read instead of an engine call.

The shell reads its script from the exec's standard input. The exec's two output streams arrive multiplexed in frames
(Docker Engine API, "attach to a container": 1 byte stream, 3 bytes zero, 4 bytes length, big-endian). After each
command the shell prints a fresh random token on both streams, with the exit status on stdout.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError

from evolve.core.errors import InfraError
from evolve.sandbox import exit_cause
from evolve.sandbox.engine import ENGINE_FAULTS
from evolve.sandbox.output import Tail

FLOOD_BYTES = 32_000_000
MAX_COMMAND = 100_000
STDOUT, STDERR = 1, 2
KILL_TRIES = 2
# If memory runs out, the kernel kills commands before the container's first process, with which the counters would go.
OPEN = "echo 1000 2>/dev/null >/proc/self/oom_score_adj; exec sh"
KILL_OWN = "kill -9 -1 2>/dev/null; exit 0"
KILL_ALL_BUT = (
    "for signal in STOP STOP STOP KILL; do for path in /proc/[0-9]*; do pid=${{path##*/}}; "
    'case " {spared} $$ " in *" $pid "*) ;; *) kill -$signal $pid 2>/dev/null ;; esac; done; done; exit 0'
)


@dataclass(frozen=True)
class CommandResult:
    """A command's result. Each stream's output is cut in the middle beyond KEEP_BYTES."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    truncated: bool = False


class ShellDied(InfraError):
    """The shell's stream ended, because its container died or a command killed it."""


class ContainerShell:
    """An `sh` in a running container, as `user`, in `workdir`. Commands run in order, each in a child process."""

    def __init__(
        self,
        client: docker.DockerClient,
        container: str,
        user: str,
        workdir: str,
        env: dict[str, str] | None = None,
    ) -> None:
        self._client, self._container, self._user, self._workdir = client, container, user, workdir
        self._env = env or {}
        self._socket: socket.socket | None = None
        self._owner: Any = None
        self._buffer = bytearray()
        self._lost = b""
        self._is_root = user.startswith("0")
        self._kill_script = KILL_OWN
        self._open()
        if self._is_root:
            self._spare_initial_processes()

    def _open(self) -> None:
        api, command = self._client.api, ["sh", "-c", OPEN]
        try:
            exec_id = api.exec_create(
                self._container, command, stdin=True, user=self._user, workdir=self._workdir, environment=self._env
            )["Id"]
            self._owner = api.exec_start(exec_id, socket=True)
        except ENGINE_FAULTS as error:
            raise ShellDied(f"no shell in container {self._container[:12]}: {error}") from error
        self._socket = getattr(self._owner, "_sock", self._owner)
        self._buffer.clear()

    def _spare_initial_processes(self) -> None:
        """Spare the processes that run now: they keep the container running, and root could kill them."""
        listed = self.run("cd /proc && echo [0-9]*").stdout.decode(errors="replace").split()
        self._kill_script = KILL_ALL_BUT.format(spared=" ".join(pid for pid in listed if pid.isdigit()))

    def close(self) -> None:
        """Shut the stream down at once; the engine hangs if its client stops reading."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._owner.close()
        self._socket = None

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
        """Run `command` by `sh -c` in the working directory.

        Args:
            timeout: Seconds after which all processes of the user are killed.
            stdin: The command's standard input.

        Returns:
            The result; its status is 137 if a process in the container killed the command or the container.

        Raises:
            ShellDied: the machine lost the container.
            ValueError: the command is longer than MAX_COMMAND.
        """
        if len(command.encode()) > MAX_COMMAND:
            raise ValueError(f"a command is at most {MAX_COMMAND} bytes long")
        if self._lost:
            return CommandResult(exit_cause.KILLED, b"", self._lost)
        try:
            if self._socket is None:
                self._open()
            return self._run(command, time.monotonic() + timeout, stdin)
        except TimeoutError:
            self._kill_all()
            return CommandResult(124, b"", b"", timed_out=True)
        except ShellDied as death:
            return self._result_after(death)

    def _run(self, command: str, deadline: float, stdin: bytes) -> CommandResult:
        token = secrets.token_hex(16).encode()
        feed = f"head -c {len(stdin)} | " if stdin else ""
        source = "" if stdin else " </dev/null"
        ready = f"printf '{token.decode()}go\\n'; " if stdin else ""
        mark = f"printf '{token.decode()}%s\\n' $? ; printf '{token.decode()}\\n' >&2"
        self._send(f"{ready}{feed}sh -c {shlex.quote(command)}{source}; {mark}\n".encode())
        early: deque[tuple[int, bytes]] = deque()
        if stdin:
            early = self._await_ready(token + b"go\n", deadline)
            self._send(stdin)
        return self._collect(token, deadline, early)

    def _result_after(self, death: ShellDied) -> CommandResult:
        """The result of a command that ended its shell or container; raises `death` if the machine did."""
        if exit_cause.inspect_state(self._client, self._container)["Running"]:
            return CommandResult(exit_cause.KILLED, b"", b"the command's shell was killed\n")
        if not exit_cause.ended_from_within(self._client, self._container, self._is_root):
            raise death
        self._lost = b"the container was ended by what ran in it\n"
        return CommandResult(exit_cause.KILLED, b"", self._lost)

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        try:
            self._socket.settimeout(30)
            self._socket.sendall(data)
        except OSError as error:
            self.close()
            raise ShellDied(f"the shell of container {self._container[:12]} was lost: {error}") from error

    def _await_ready(self, expected: bytes, deadline: float) -> deque[tuple[int, bytes]]:
        """Wait until the shell has read its line: some shells read ahead, so data must not be sent before.

        Returns:
            The frames of the command that have arrived by then; the two streams may overtake each other.
        """
        early: deque[tuple[int, bytes]] = deque()
        seen, total = b"", 0
        while expected not in seen:
            stream, data = self._receive_frame(deadline)
            total += len(data)
            if total > FLOOD_BYTES:
                raise TimeoutError
            if stream == STDOUT:
                seen = seen[-len(expected) :] + data
            else:
                early.append((stream, data))
        early.append((STDOUT, seen.partition(expected)[2]))
        return early

    def _collect(self, token: bytes, deadline: float, early: deque[tuple[int, bytes]]) -> CommandResult:
        streams = {STDOUT: Tail(token), STDERR: Tail(token)}
        ends: dict[int, bytes] = {}
        total = 0
        while len(ends) < 2:
            try:
                stream, data = early.popleft() if early else self._receive_frame(deadline)
            except TimeoutError:
                self._kill_all()
                out, err = streams[STDOUT], streams[STDERR]
                return CommandResult(124, out.text(), err.text(), True, out.cut or err.cut)
            total += len(data)
            if total > FLOOD_BYTES:
                deadline = time.monotonic()
            tail = streams.get(stream)
            if tail is None:
                continue
            tail.feed(data)
            if stream not in ends and (status := tail.status()) is not None:
                ends[stream] = status
        out, err = streams[STDOUT], streams[STDERR]
        return CommandResult(_parse_status(ends[STDOUT]), out.text(), err.text(), False, out.cut or err.cut)

    def _receive_frame(self, deadline: float) -> tuple[int, bytes]:
        header = self._receive(8, deadline)
        stream, length = struct.unpack(">BxxxL", header)
        # If the shell prints before its first command, this stream can begin in the middle of a frame.
        if length > FLOOD_BYTES:
            raise TimeoutError
        return stream, self._receive(length, deadline)

    def _receive(self, count: int, deadline: float) -> bytes:
        assert self._socket is not None
        while len(self._buffer) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                raise
            except OSError as error:
                self.close()
                raise ShellDied(f"the shell of container {self._container[:12]} was lost: {error}") from error
            if not data:
                self.close()
                raise ShellDied(f"the shell of container {self._container[:12]} ended")
            self._buffer += data
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _kill_all(self) -> None:
        """Kill all processes of this user in the container, but not those that keep it running.

        If no process can be started for that, the container itself is killed.

        Raises:
            InfraError: the engine failed.
        """
        self.close()
        for _ in range(KILL_TRIES):
            with contextlib.suppress(*ENGINE_FAULTS):
                status = exit_cause.run_with_deadline(
                    self._client, self._container, ["sh", "-c", self._kill_script], self._user
                )
                if status == 0:
                    return
                if status is None:
                    break
        self._kill_container()

    def _kill_container(self) -> None:
        with exit_cause.engine_faults(), contextlib.suppress(APIError):
            self._client.api.kill(self._container)
        self._lost = b"the container was killed: its processes could not be ended\n"


def _parse_status(text: bytes) -> int:
    """Parse the exit status that the shell printed; 1 if it is invalid, since root may have replaced the shell."""
    return int(text) if len(text) <= 3 and text.isdigit() else 1


class MainShell(ContainerShell):
    """The shell that is its container's main process. A command that exceeds its time limit ends the container."""

    def __init__(self, client: docker.DockerClient, container: str) -> None:
        super().__init__(client, container, "", "/")
        self._is_root = True

    def _open(self) -> None:
        if self._is_root:
            raise ShellDied(f"the shell of container {self._container[:12]} ended, and its container with it")
        streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        self._owner = self._client.api.attach_socket(self._container, params=streams)
        self._socket = getattr(self._owner, "_sock", self._owner)
        self._buffer.clear()

    def _kill_all(self) -> None:
        self.close()
        self._kill_container()
