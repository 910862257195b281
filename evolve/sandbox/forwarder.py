"""A way from another container's loopback to one Unix socket, and to nothing else.

A small container of ours shares the other one's network, whatever that is, and nothing more: its processes, files and
user are its own. So the other container needs no program for it, and a process there gets no file of the socket.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docker.types import Mount

from evolve.core.errors import BadInput, EngineError
from evolve.core.launch import GATEWAY_PORT
from evolve.core.records import SandboxSpec
from evolve.sandbox.container import SHARED_NETWORK, Container, create_container
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.inside import DOOR_HOME, KEEPER
from evolve.sandbox.limits import host_config
from evolve.sandbox.resources import FILES, TrialResources
from evolve.sandbox.streams import frames

# Where a socket's folder is in the forwarder's container.
SOCKETS = "/run/evolve"
# The usual port, and any other where something in the container listens on that one.
PORTS = (GATEWAY_PORT, 0)
# Two threads for each connection: those that find no room are closed.
LIMITS = SandboxSpec(memory_mb=64, pids=256, disk_mb=8)
READY_SECONDS = 30.0
# The kernel of such a container is its own, and so is its network.
OWN_KERNELS = ("runsc", "kata")


@dataclass(frozen=True)
class Forwarder:
    """A forwarder that listens at 127.0.0.1:`port` of the container whose network it shares."""

    container: Container
    port: int

    @property
    def url(self) -> str:
        """Where the socket's server is reached, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """Remove it. Raises InfraError."""
        self.container.kill()


def start_forwarder(
    run: str,
    image: str,
    neighbour: Container,
    socket_path: Path,
    ttl: int,
    resources: TrialResources | None = None,
    kind: str = "forwarder",
    runtime: str | None = None,
) -> Forwarder:
    """Lead a port on a running container's loopback to a Unix socket, and wait until something listens there.

    Nothing needs to listen on the socket yet: each connection opens it anew.

    Args:
        run: The owner, by which a sweep finds it.
        image: An image with python3, such as the base image.
        neighbour: The container whose network it shares; it may be given another one later.
        socket_path: The socket on the host; its folder is mounted read-only.
        ttl: After how many seconds it ends by itself.
        resources: What the trial has to itself on the host; None outside trials.
        kind: Part of its name; a second forwarder of a trial needs another one.
        runtime: The engine's runtime of both containers; None: its default.

    Raises:
        InfraError: The engine failed, or the other container does not run.
    """
    container = create_container(
        image,
        ttl,
        ["python3", "-S", "-E", f"{DOOR_HOME}/forward.py", f"{SOCKETS}/{socket_path.name}", *map(str, PORTS)],
        run,
        KEEPER,
        _host(neighbour, socket_path.parent, resources, runtime),
        kind,
        resources,
        working_dir="/",
        environment={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    with contextlib.ExitStack() as undo:
        undo.callback(container.kill)
        port = _start(container)
        undo.pop_all()
    return Forwarder(container, port)


def refuse_own_kernels(runtime: str | None) -> None:
    """Raise BadInput for a runtime whose containers can't share a network."""
    if runtime is not None and any(name in runtime for name in OWN_KERNELS):
        problem = "its containers can't share a network, which an agent in the task's container needs"
        raise BadInput(f"runtime {runtime}", problem, "leave out --runtime")


def _host(neighbour: Container, folder: Path, resources: TrialResources | None, runtime: str | None) -> dict[str, Any]:
    mounts = [
        Mount(DOOR_HOME, str(FILES if resources is None else resources.files), type="bind", read_only=True),
        Mount(SOCKETS, str(folder), type="bind", read_only=True),
    ]
    return {
        **host_config(replace(LIMITS, runtime=runtime), mounts=mounts),
        "NetworkMode": f"{SHARED_NETWORK}{neighbour.id}",
    }


def _start(container: Container) -> int:
    """Start it, and return the port on which it listens."""
    with engine_faults():
        owner = container.client.api.attach_socket(container.id, params={"stdout": 1, "stderr": 1, "stream": 1})
    end: socket.socket = getattr(owner, "_sock", owner)
    with contextlib.closing(owner), contextlib.closing(end):
        container.start()
        return _read_port(end)


def _read_port(end: socket.socket) -> int:
    """Read `ready PORT` from the container's output, which is a frame with a header of eight bytes."""
    end.settimeout(READY_SECONDS)
    try:
        with end.makefile("rb") as stream:
            _, output = next(frames(stream), (0, b""))
    except OSError as error:
        raise EngineError(f"the forwarder did not start: {error}") from error
    word, _, port = output.decode(errors="replace").strip().partition(" ")
    if word != "ready" or not port.isdigit():
        raise EngineError(f"the forwarder did not start: {output[:200].decode(errors='replace') or 'no output'}")
    return int(port)
