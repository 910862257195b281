"""The streams of an exec in a container: standard input as it is written, and two outputs in frames.

The outputs arrive multiplexed (Docker Engine API, "attach to a container": 1 byte stream, 3 bytes zero, 4 bytes length,
big-endian).
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Iterator
from typing import IO, Any

import docker

from evolve.core.errors import InfraError
from evolve.sandbox.engine import ENGINE_FAULTS

MAX_FRAME = 32_000_000
STDOUT, STDERR = 1, 2
SEND_SECONDS = 30.0
# What the engine says of an exec that never ran, because memory or processes have run out.
NOT_STARTED = (126, 127, 128)


def frames(outputs: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The stream and the content of each frame, until the outputs end."""
    while len(header := outputs.read(8)) == 8:
        stream, length = struct.unpack(">BxxxL", header)
        yield stream, outputs.read(length)


class ShellDied(InfraError):
    """The shell's stream ended, because its container died or a command killed it."""


class ExecStreams:
    """The streams of one exec at a time in a running container, or those of its first process."""

    def __init__(self, client: docker.DockerClient, container: str) -> None:
        self._client, self._container = client, container
        self._exec = ""
        self._socket: socket.socket | None = None
        self._owner: Any = None
        self._buffer = bytearray()

    def _start_exec(self, command: list[str], **options: Any) -> None:
        """Start a command in the container; from now on its streams are read and written. Raises ShellDied."""
        api = self._client.api
        try:
            self._exec = api.exec_create(self._container, command, **options)["Id"]
            self._owner = api.exec_start(self._exec, socket=True)
        except ENGINE_FAULTS as error:
            raise ShellDied(f"no shell in container {self._container[:12]}: {error}") from error
        self._socket = getattr(self._owner, "_sock", self._owner)
        self._buffer.clear()

    def attach(self) -> None:
        """Read and write the streams of the container's first process from now on. Raises ENGINE_FAULTS."""
        streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        self._owner = self._client.api.attach_socket(self._container, params=streams)
        self._socket = getattr(self._owner, "_sock", self._owner)
        self._buffer.clear()

    def _take_over(self, other: ExecStreams) -> None:
        """Read and write what the other one did until now."""
        self._owner, self._socket, self._buffer = other._owner, other._socket, other._buffer
        other._owner, other._socket = None, None

    def close(self) -> None:
        """Shut the stream down at once; the engine hangs if its client stops reading."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._owner.close()
        self._socket = None

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        try:
            self._socket.settimeout(SEND_SECONDS)
            self._socket.sendall(data)
        except OSError as error:
            self.close()
            raise ShellDied(f"the shell of container {self._container[:12]} was lost: {error}") from error

    def _has_data(self, seconds: float) -> bool:
        assert self._socket is not None
        return bool(self._buffer) or bool(select.select([self._socket], [], [], seconds)[0])

    def _receive_frame(self, deadline: float) -> tuple[int, bytes]:
        header = self._receive(8, deadline)
        stream, length = struct.unpack(">BxxxL", header)
        # If the shell prints before its first command, this stream can begin in the middle of a frame.
        if length > MAX_FRAME:
            raise TimeoutError
        return stream, self._receive(length, deadline)

    def _receive(self, count: int, deadline: float) -> bytes:
        while len(self._buffer) < count:
            self._buffer += self._receive_some(deadline)
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _receive_some(self, deadline: float) -> bytes:
        """What comes next, at least one byte. Raises ShellDied, and TimeoutError at the deadline."""
        assert self._socket is not None
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
        return data

    def _inspect_exec(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = self._client.api.exec_inspect(self._exec)
        except ENGINE_FAULTS as error:
            raise ShellDied(f"a command in container {self._container[:12]} was lost: {error}") from error
        return state

    def _exit_status(self, deadline: float) -> int:
        """The exit status of an exec whose streams have ended."""
        while (state := self._inspect_exec())["Running"] or state["ExitCode"] is None:
            if time.monotonic() > deadline:
                raise ShellDied(f"a command in container {self._container[:12]} has no end")
            time.sleep(0.01)
        if state["ExitCode"] in NOT_STARTED and not state["Pid"]:
            raise ShellDied(f"no command could be started in container {self._container[:12]}")
        return int(state["ExitCode"])
