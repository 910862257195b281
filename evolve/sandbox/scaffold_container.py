"""The container of a scaffold, and its output."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from docker.types import Mount

from evolve.core.launch import GATEWAY_URL, INSTRUCTION_FILE, SCAFFOLD, Launch, gateway_variables
from evolve.core.records import Cause, SandboxSpec
from evolve.sandbox import exit_cause
from evolve.sandbox.container import Container, create_container
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.inside import AGENT, DOOR_HOME, LAST_USER, SAFE_ENV
from evolve.sandbox.limits import host_config
from evolve.sandbox.resources import FILES, TrialResources
from evolve.sandbox.streams import frames

LOG_BYTES = 64_000
LIMIT_MET = b"[evolve] limit met: %s\n"


class ScaffoldProcess:
    """The scaffold's container and its output, of which the end is kept."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.output = b""
        self._drained = threading.Event()
        with engine_faults():
            owner = container.client.api.attach_socket(container.id, params={"stdout": 1, "stderr": 1, "stream": 1})
        self._owner = owner
        self._socket: socket.socket = getattr(owner, "_sock", owner)
        self._socket.settimeout(None)
        threading.Thread(target=self._drain, daemon=True).start()
        container.start()

    def _drain(self) -> None:
        """Read frames until the container ends; the engine hangs if its client stops reading."""
        stream = self._socket.makefile("rb")
        with contextlib.suppress(OSError, ValueError):
            for _, data in frames(stream):
                self.output = (self.output + data)[-LOG_BYTES:]
        self._drained.set()

    def wait(self, seconds: float) -> bool:
        """Wait until its output closes, which its last process does. Returns whether that was within `seconds`."""
        return self._drained.wait(max(seconds, 0.0))

    def status(self) -> int:
        """The exit status after its end."""
        with engine_faults():
            return int(self.container.client.api.wait(self.container.id, timeout=30)["StatusCode"])

    def cause(self, status: int | None) -> Cause:
        """Which limit the scaffold exceeded. `status`: its exit status; None if it is still running."""
        for kind in (Cause.OOM, Cause.PIDS):
            if status is not None and LIMIT_MET % kind.value.encode() in self.output:
                return kind
        # The launcher, which reads the counters at the end, may have been killed itself.
        return self.container.cause() if status is None or status > exit_cause.SIGNALLED else Cause.NONE

    def kill(self) -> None:
        """Close its output, kill it and remove it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._owner.close()
        self.container.kill()


def probe_container(run: str, image: str, command: Sequence[str], spec: SandboxSpec, ttl: int) -> ScaffoldProcess:
    """Start a container that runs a command with a scaffold's limits, but without its mounts."""
    host = host_config(replace(spec, network=False))
    return ScaffoldProcess(
        create_container(image, ttl, command, run, LAST_USER, host, working_dir="/", environment=SAFE_ENV)
    )


def scaffold_process(
    run: str,
    image: str,
    folder: Path,
    entry: str,
    launch: Launch,
    socket_folder: Path,
    spec: SandboxSpec,
    ttl: int,
    resources: TrialResources | None = None,
) -> ScaffoldProcess:
    """Start a scaffold without network or key, with the variables of its image.

    Its files, the door and the socket's folder are mounted read-only.

    Args:
        entry: Run by Python unless `launch` has a command.
        resources: What the trial has to itself on the host; `folder` should be there too. None outside trials.
    """
    mounts = [
        Mount(SCAFFOLD, str(folder), type="bind", read_only=True),
        Mount(DOOR_HOME, str(FILES if resources is None else resources.files), type="bind", read_only=True),
        Mount("/run/evolve", str(socket_folder), type="bind", read_only=True),
    ]
    environment = {
        **SAFE_ENV,
        "PYTHONUNBUFFERED": "1",
        "EVOLVE_SOCKET": "/run/evolve/gateway.sock",
        **gateway_variables(GATEWAY_URL),
        **dict(launch.env),
    }
    stdin = [f"--stdin={INSTRUCTION_FILE}"] if launch.stdin else []
    program = ["--", *launch.command] if launch.command else [entry]
    container = create_container(
        image,
        ttl,
        ["python3", "-S", "-E", f"{DOOR_HOME}/launch.py", *stdin, *program],
        run,
        AGENT if resources is None else resources.user,
        host_config(replace(spec, network=False), mounts=mounts),
        "scaffold",
        resources,
        working_dir=SCAFFOLD,
        environment=environment,
    )
    return ScaffoldProcess(container)
