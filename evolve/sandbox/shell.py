"""A shell kept open inside a container: a command costs a write and a read, not a call of the engine.

The shell reads its script from the exec's standard input; the exec's two output streams come back multiplexed in
frames (Docker Engine API, "attach to a container": 1 byte stream, 3 bytes zero, 4 bytes length, big-endian). Each
command ends by printing a fresh random token on both streams, with the exit status on the first.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

import docker

from evolve.errors import InfraError

KEEP_BYTES = 64_000
HALF = KEEP_BYTES // 2
CUT = b"\n[... cut ...]\n"
FLOOD_BYTES = 32_000_000
MAX_COMMAND = 100_000
STDOUT, STDERR = 1, 2


@dataclass(frozen=True)
class CommandResult:
    """What a command left. Output is bytes, cut in the middle beyond KEEP_BYTES for each stream."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    truncated: bool = False


class ShellDied(InfraError):
    """The shell's stream ended: its container died, or a command killed it."""


class _Tail:
    """Keeps the beginning and the end of one stream, and finds the token at its end."""

    def __init__(self, token: bytes) -> None:
        self.token = token
        self.head = bytearray()
        self.tail = bytearray()
        self.total = 0

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        room = HALF - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        self.tail += data
        if len(self.tail) > 2 * KEEP_BYTES:
            del self.tail[:-KEEP_BYTES]

    def status(self) -> bytes | None:
        """What stands between the token and the end of its line, once that is there; empty but for stdout."""
        text = bytes(self.head + self.tail)[-2 * HALF :]
        start = text.rfind(self.token)
        if start < 0 or b"\n" not in text[start:]:
            return None
        end = text.index(b"\n", start)
        self._drop(len(text) - start)
        return text[start + len(self.token) : end]

    def _drop(self, count: int) -> None:
        """Take the token's line off the end."""
        self.total -= count
        beyond = count - len(self.tail)
        del self.tail[max(len(self.tail) - count, 0) :]
        if beyond > 0:
            del self.head[len(self.head) - beyond :]

    @property
    def cut(self) -> bool:
        return self.total > KEEP_BYTES

    def text(self) -> bytes:
        """All of it, or its first and last HALF bytes: a function of the output alone, not of its timing."""
        if not self.cut:
            return bytes(self.head + self.tail)
        return bytes(self.head) + CUT + bytes(self.tail[-HALF:])


class Shell:
    """One `sh` in a running container, as `user`, in `workdir`. Commands run one after another, each in a child."""

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
        self._open()

    def _open(self) -> None:
        api = self._client.api
        exec_id = api.exec_create(
            self._container, ["sh"], stdin=True, user=self._user, workdir=self._workdir, environment=self._env
        )["Id"]
        self._owner = api.exec_start(exec_id, socket=True)
        self._socket = getattr(self._owner, "_sock", self._owner)
        self._buffer.clear()

    def close(self) -> None:
        """Shut the stream down at once: an engine whose client stops reading hangs."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._owner.close()
        self._socket = None

    def run(self, command: str, timeout: float = 30.0, stdin: bytes = b"") -> CommandResult:
        """Run `command` by `sh -c` in the working directory; `timeout` in seconds kills all that runs as the user.

        `stdin`: bytes that the command can read; without, its standard input is empty.
        Raises ShellDied if the shell is gone, ValueError if the command is longer than MAX_COMMAND.
        """
        if len(command.encode()) > MAX_COMMAND:
            raise ValueError(f"a command is at most {MAX_COMMAND} bytes long")
        if self._socket is None:
            self._open()
        token = secrets.token_hex(16).encode()
        feed = f"head -c {len(stdin)} | " if stdin else ""
        source = "" if stdin else " </dev/null"
        ready = f"printf '{token.decode()}go\\n'; " if stdin else ""
        mark = f"printf '{token.decode()}%s\\n' $? ; printf '{token.decode()}\\n' >&2"
        self._send(f"{ready}{feed}sh -c {shlex.quote(command)}{source}; {mark}\n".encode())
        deadline = time.monotonic() + timeout
        try:
            if stdin:
                self._await_ready(token + b"go\n", deadline)
                self._send(stdin)
            return self._collect(token, deadline)
        except TimeoutError:
            self._kill_all()
            return CommandResult(124, b"", b"", timed_out=True)

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        try:
            self._socket.settimeout(30)
            self._socket.sendall(data)
        except OSError as error:
            self.close()
            raise ShellDied(f"the shell of container {self._container[:12]} is gone: {error}") from error

    def _await_ready(self, expected: bytes, deadline: float) -> None:
        """Data must not be sent before the shell has read its line: some shells read ahead."""
        seen = b""
        while expected not in seen:
            seen += self._frame(deadline)[1]

    def _collect(self, token: bytes, deadline: float) -> CommandResult:
        streams = {STDOUT: _Tail(token), STDERR: _Tail(token)}
        ends: dict[int, bytes] = {}
        total = 0
        while len(ends) < 2:
            try:
                stream, data = self._frame(deadline)
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
            if stream not in ends and (found := tail.status()) is not None:
                ends[stream] = found
        out, err = streams[STDOUT], streams[STDERR]
        return CommandResult(int(ends[STDOUT] or b"1"), out.text(), err.text(), False, out.cut or err.cut)

    def _frame(self, deadline: float) -> tuple[int, bytes]:
        header = self._exactly(8, deadline)
        stream, length = struct.unpack(">BxxxL", header)
        return stream, self._exactly(length, deadline)

    def _exactly(self, count: int, deadline: float) -> bytes:
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
                raise ShellDied(f"the shell of container {self._container[:12]} is gone: {error}") from error
            if not data:
                self.close()
                raise ShellDied(f"the shell of container {self._container[:12]} ended")
            self._buffer += data
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _kill_all(self) -> None:
        """Kill every process of this user in the container (PID 1 belongs to another), and the shell with them."""
        self.close()
        api = self._client.api
        exec_id = api.exec_create(self._container, ["sh", "-c", "kill -9 -1"], user=self._user)["Id"]
        api.exec_start(exec_id)


class MainShell(Shell):
    """The shell that is its container's main process: no exec. A command past its time limit ends the container."""

    def __init__(self, client: docker.DockerClient, container: str) -> None:
        super().__init__(client, container, "", "/")

    def _open(self) -> None:
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        self._owner = self._client.api.attach_socket(self._container, params=wanted)
        self._socket = getattr(self._owner, "_sock", self._owner)
        self._buffer.clear()

    def _kill_all(self) -> None:
        self.close()
        self._client.api.kill(self._container)
