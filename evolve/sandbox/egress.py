"""The way out of a container to the hosts of its task's allowlist.

The container has a loopback and no other network. A helper, which shares it for a moment, makes the kernel lead every
connection and every question for a name to two sockets and hands these over to a proxy. The proxy's container has a
network of its own, on which it listens to nothing: nobody else can reach it, and what it does not let through has no
other way.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docker.types import Mount

from evolve.core.errors import EngineError, InfraError
from evolve.core.records import SandboxSpec
from evolve.core.task_format import NetworkMode, NetworkPolicy, listed_hosts
from evolve.sandbox.container import SHARED_NETWORK, Container, create_container
from evolve.sandbox.engine import temporary_prefix
from evolve.sandbox.images import local_base
from evolve.sandbox.inside import AGENT, DOOR_HOME, ROOT
from evolve.sandbox.limits import host_config
from evolve.sandbox.resources import FILES, TrialResources
from evolve.sandbox.task_state import TaskState

FOLDER = "/run/evolve"
SOCKET = "control.sock"
PROXY, CATCH = "egress.proxy", "egress.catch"
LIMITS = SandboxSpec(memory_mb=256, pids=64, disk_mb=8)
# The helper changes routes and filters of a network that is the container's own.
CATCH_POWERS = ["NET_ADMIN"]
READY_SECONDS, ANSWER_SECONDS = 60.0, 30.0
FAILED, CAUGHT, CONNECTED = b"failed ", b"caught", b"proxy"
MESSAGE_BYTES = 400


class Unsupported(InfraError):
    """The engine's kernel can't lead a container's connections elsewhere."""


class NetworkFault(EngineError):
    """The machine could not change what a running container reaches; nothing in the container is the cause."""


class PortsTaken(InfraError):
    """What runs in a container has left no port on its loopback."""


@dataclass
class Egress:
    """The proxy of one container. `control`: the connection to it; `folder`: of the socket."""

    proxy: Container
    control: socket.socket
    folder: Path

    def allow(self, hosts: tuple[str, ...] | None) -> None:
        """Let connections to these hosts through from now on, None for none; others end. Raises InfraError."""
        try:
            self.control.sendall(json.dumps({"hosts": hosts}).encode() + b"\n")
            answer = self.control.recv(16)
        except OSError as error:
            raise EngineError(f"the proxy of a network allowlist does not answer: {error}") from error
        if not answer:
            raise EngineError("the proxy of a network allowlist has ended")

    def kill(self) -> None:
        """Remove it. Raises InfraError."""
        self.control.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.proxy.kill()


def set_network(container: Container, state: TaskState, policy: NetworkPolicy) -> None:
    """Let a running container reach what a phase of its task allows, and nothing else.

    Raises:
        NetworkFault: The machine failed, whatever the container's processes did.
        InfraError: The container has ended, or its processes left no port for the proxy.
    """
    try:
        _set_network(container, state, policy)
    except (EngineError, Unsupported) as error:
        if not container.is_running():
            raise
        raise NetworkFault(str(error)) from error


def _set_network(container: Container, state: TaskState, policy: NetworkPolicy) -> None:
    if policy.mode is not NetworkMode.PUBLIC:
        container.connect(False)
    if policy.mode is NetworkMode.ALLOWLIST and container.outlet is None:
        hosts = listed_hosts(state.format)
        container.outlet = start_egress(state.run, container, hosts, state.resources, state.spec.runtime)
    if container.outlet is not None:
        container.outlet.allow(policy.allowed_hosts if policy.mode is NetworkMode.ALLOWLIST else None)
    if policy.mode is NetworkMode.PUBLIC:
        container.connect(True)


def start_egress(
    run: str,
    neighbour: Container,
    hosts: Sequence[str] = (),
    resources: TrialResources | None = None,
    runtime: str | None = None,
) -> Egress:
    """Lead what leaves a running container to a proxy, which lets nothing through yet.

    Args:
        run: The owner, by which a sweep finds both containers.
        neighbour: The container; they end when it does.
        hosts: All that may be allowed at some time; a connection to an address in none of them is refused at once.
        resources: What the trial has to itself on the host; None outside trials.
        runtime: The engine's runtime of all three containers; None: its default.

    Raises:
        Unsupported: The engine's kernel can't do it.
        PortsTaken: The container's processes hold all ports.
        InfraError: The engine failed.
    """
    prefix = temporary_prefix(run) if resources is None else "egress-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=None if resources is None else resources.folder))
    folder.chmod(0o711)
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        listener = undo.enter_context(_listener(folder / SOCKET))
        start = _Start(run, neighbour, _ranges(hosts), resources, runtime, folder)
        # The helper ends at once, the proxy with the connection.
        with ThreadPoolExecutor(2) as pool:
            helper, proxy = pool.submit(start.helper), pool.submit(start.proxy)
        for future in (helper, proxy):
            if future.exception() is None:
                undo.callback(future.result().kill)
        helper.result(), proxy.result()
        control = undo.enter_context(_introduced(listener))
        helper.result().kill()
        undo.pop_all()
    listener.close()
    return Egress(proxy.result(), control, folder)


@dataclass(frozen=True)
class _Start:
    """How the two containers are made."""

    run: str
    neighbour: Container
    ranges: tuple[str, ...]
    resources: TrialResources | None
    runtime: str | None
    folder: Path

    def helper(self) -> Container:
        host = self._host(network=False, cap_add=CATCH_POWERS)
        host["NetworkMode"] = f"{SHARED_NETWORK}{self.neighbour.id}"
        return self._started([CATCH, f"{FOLDER}/{SOCKET}", *self.ranges], ROOT, host)

    def proxy(self) -> Container:
        user = AGENT if self.resources is None else self.resources.user
        return self._started([PROXY, f"{FOLDER}/{SOCKET}"], user, self._host(network=True))

    def _host(self, network: bool, **more: Any) -> dict[str, Any]:
        files = FILES if self.resources is None else self.resources.files
        mounts = [
            Mount(DOOR_HOME, str(files), type="bind", read_only=True),
            Mount(FOLDER, str(self.folder), type="bind", read_only=True),
        ]
        return host_config(replace(LIMITS, network=network, runtime=self.runtime), mounts=mounts, **more)

    def _started(self, words: list[str], user: str, host: dict[str, Any]) -> Container:
        if (image := local_base()) is None:
            raise InfraError("the engine has no base image, which the proxy of a network allowlist needs")
        container = create_container(
            image,
            self.neighbour.ttl,
            ["python3", "-S", "-E", "-m", *words],
            self.run,
            user,
            host,
            f"{words[0].partition('.')[2]}-{self.folder.name[-8:]}",
            self.resources,
            working_dir=DOOR_HOME,
            environment={"PYTHONDONTWRITEBYTECODE": "1"},
        )
        container.start()
        return container


def _ranges(hosts: Sequence[str]) -> tuple[str, ...]:
    """Those of the hosts that are addresses or ranges of them; containers have no IPv6."""
    found = []
    for host in hosts:
        with contextlib.suppress(ValueError):
            found.append(str(ipaddress.IPv4Network(host)))
    return tuple(found)


def _listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o666)
    listener.listen(2)
    listener.settimeout(READY_SECONDS)
    return listener


def _introduced(listener: socket.socket) -> socket.socket:
    """Hand the helper's sockets to the proxy, and return the connection to that one. Raises InfraError."""
    control: socket.socket | None = None
    caught: list[int] = []
    try:
        while control is None or not caught:
            connection, _ = listener.accept()
            connection.settimeout(ANSWER_SECONDS)
            message, numbers, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 2)
            if message == CONNECTED:
                control = connection
                continue
            caught = list(numbers)
            connection.close()
            _check_caught(message, caught)
        socket.send_fds(control, [b"caught"], caught)
    except OSError as error:
        raise EngineError(f"the proxy of a network allowlist did not start: {error}") from error
    finally:
        for number in caught:
            socket.close(number)
    return control


def _check_caught(message: bytes, caught: list[int]) -> None:
    if message.startswith(FAILED):
        reason = message.removeprefix(FAILED).decode(errors="replace")
        if reason == os.strerror(errno.EADDRINUSE):
            raise PortsTaken("the container's processes left no port for the proxy of its network allowlist")
        raise Unsupported(f"the engine's kernel can't lead a container's connections to a proxy: {reason}")
    if message != CAUGHT or len(caught) != 2:
        raise EngineError("the helper of a network allowlist did not start")
