"""The three kinds of container, each with all its limits, and the volume that carries a task's state."""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import DriverConfig, Mount

from evolve.core.errors import InfraError
from evolve.core.records import Cause, SandboxSpec, SuiteProfile, TaskImage
from evolve.sandbox import exit_cause
from evolve.sandbox.engine import builder, connect, labels, owned
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.limits import host_config
from evolve.sandbox.shell import ContainerShell, MainShell

AGENT = "10001:10001"
KEEPER = "65534:65534"
ROOT = "0:0"
FILES = Path(__file__).parent / "files"
DOOR_HOME = "/opt/evolve"
PRISTINE = "/.evolve/workdir"
LOG_BYTES = 64_000
LIMIT_MET = b"[evolve] limit met: %s\n"
NOT_FOUND, NOT_RUNNING = 404, 409
TESTS_TMPFS = {
    "/tests": "rw,exec,nosuid,nodev,size=32m,mode=0700",
    "/logs": "rw,nosuid,nodev,size=32m,mode=0755",
}
SAFE_ENV = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp", "TZ": "UTC"}


def _state_mount(volume: str, run: str, workdir: str, spec: SandboxSpec) -> Mount:
    """A sized tmpfs owned by the agent, kept by the engine for as long as one container has it mounted."""
    options = f"size={spec.disk_mb}m,nr_inodes=20k,uid=10001,gid=10001,mode=0755,nosuid,nodev"
    driver = DriverConfig("local", {"type": "tmpfs", "device": "tmpfs", "o": options})
    return Mount(workdir, volume, type="volume", no_copy=True, labels=owned(run), driver_config=driver)


@dataclass
class Container:
    """A created container; `stop` and `kill` (which removes it too) may be called twice."""

    client: docker.DockerClient
    id: str

    def start(self) -> None:
        """Start it; where that fails, nothing of it is left. Raises InfraError."""
        try:
            with engine_faults():
                self.client.api.start(self.id)
        except InfraError:
            self.kill()
            raise

    def stop(self) -> None:
        """SIGKILL to all its processes; they are dead when this returns."""
        with engine_faults():
            try:
                self.client.api.kill(self.id)
            except APIError as error:
                if error.status_code not in (NOT_FOUND, NOT_RUNNING):
                    raise

    def kill(self) -> None:
        with engine_faults(), contextlib.suppress(NotFound):
            self.client.api.remove_container(self.id, force=True)

    def cause(self) -> Cause:
        """Which of its limits the container has met so far."""
        return exit_cause.cause(self.client, self.id)

    def ruined(self) -> bool:
        """Whether it is still there, full or ended by what ran in it. Raises InfraError if the engine lost it."""
        running = bool(exit_cause.state(self.client, self.id)["Running"])
        return running or exit_cause.ended_by_inmates(self.client, self.id, powerful=True)

    def main_shell(self) -> ContainerShell:
        """Of a container whose main process is a shell."""
        with engine_faults():
            return MainShell(self.client, self.id)

    def shell(self, user: str, workdir: str, env: Mapping[str, str] | None = None) -> ContainerShell:
        with engine_faults():
            return ContainerShell(self.client, self.id, user, workdir, dict(env or {}))


def _create(
    image: str, ttl: int, work: Sequence[str], run: str, user: str, host: dict[str, Any], **more: Any
) -> Container:
    """A container whose main process does some work, and that ends by itself after `ttl` seconds even if nobody comes.

    Without a network the engine has nothing to set up: a namespace with a loopback alone is the runtime's work.
    """
    client = connect()
    more |= {"labels": labels(run, ttl), "hostname": "sandbox", "stop_signal": exit_cause.STOP_SIGNAL}
    if host["NetworkMode"] == "none":
        hosts = Mount("/etc/hosts", str(FILES / "hosts"), type="bind", read_only=True)
        host = {**host, "Mounts": [*host.get("Mounts", ()), hosts]}
        more["network_disabled"] = True
    with engine_faults():
        command = ["timeout", "-s", "KILL", str(ttl), *work]
        made = client.api.create_container(image, command, user=user, host_config=host, **more)
    return Container(client, made["Id"])


class TaskState:
    """What one trial leaves for its verifier, and how its containers are made; it ends with the trial.

    STRICT: the working directory, a volume that outlives the task's container. LOOSE: the whole file system.
    """

    def __init__(
        self, run: str, image: TaskImage, spec: SandboxSpec, profile: SuiteProfile = SuiteProfile.STRICT
    ) -> None:
        self.run, self.image, self.spec, self.profile = run, image, spec, profile
        self.volume = f"evolve-{secrets.token_hex(8)}"

    @property
    def loose(self) -> bool:
        return self.profile is SuiteProfile.LOOSE

    @property
    def user(self) -> str:
        """Who runs the agent's commands."""
        return ROOT if self.loose else AGENT

    def mounts(self) -> list[Mount]:
        return [] if self.loose else [_state_mount(self.volume, self.run, self.image.workdir, self.spec)]

    def environment(self) -> list[str]:
        own = {**SAFE_ENV, "HOME": "/root"} if self.loose else SAFE_ENV
        return [*self.image.env, *(f"{name}={value}" for name, value in own.items())]

    def remove(self) -> None:
        with engine_faults(), contextlib.suppress(NotFound):
            connect().api.remove_volume(self.volume, force=True)


def task_container(state: TaskState, ttl: int, tmpfs: Mapping[str, str] | None = None) -> Container:
    """The agent's world: the task's image and state; commands run as the state's user."""
    host = host_config(state.spec, state.profile, mounts=state.mounts(), tmpfs=dict(tmpfs or {}))
    return _started(state, state.image.image, ttl, ["sleep", "infinity"], ROOT if state.loose else KEEPER, host)


def verifier_container(state: TaskState, ttl: int, image: str | None = None) -> Container:
    """Fresh, from the task's image (LOOSE: from `image`, a frozen file system), with the state's volume.

    STRICT: it may change its user, so that tests stay root's. Its main process is the shell that runs them.
    """
    powers = {} if state.loose else {"cap_add": ["SETUID", "SETGID", "KILL"]}
    host = host_config(state.spec, state.profile, mounts=state.mounts(), tmpfs=TESTS_TMPFS, **powers)
    return _started(state, image or state.image.image, ttl, ["sh"], ROOT, host)


def reader_container(state: TaskState, ttl: int) -> Container:
    """Fresh, with the state's volume: its main process is a shell, as the agent, that reads what was left there."""
    host = host_config(state.spec, state.profile, mounts=state.mounts())
    return _started(state, state.image.image, ttl, ["sh"], AGENT, host)


def _started(state: TaskState, image: str, ttl: int, work: Sequence[str], user: str, host: dict[str, Any]) -> Container:
    container = _create(
        image, ttl, work, state.run, user, host, stdin_open=True, working_dir="/", environment=state.environment()
    )
    container.start()
    return container


@contextlib.contextmanager
def frozen_image(container: Container) -> Iterator[str]:
    """Kill a container and keep its file system as an image for as long as the context lasts.

    The image has the container's label, so that a sweep finds it.
    """
    api = container.client.api
    with engine_faults():
        with contextlib.suppress(APIError):
            api.kill(container.id)
        image: str = builder().api.commit(container.id)["Id"]
    try:
        yield image
    finally:
        with engine_faults(), contextlib.suppress(NotFound):
            api.remove_image(image, force=True)


class ScaffoldProcess:
    """The scaffold's container, whose PID 1 is the scaffold itself; its output is drained and kept in part."""

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
        """Read frames until the container ends; a client that stops reading would hang the engine."""
        stream = self._socket.makefile("rb")
        with contextlib.suppress(OSError, ValueError):
            while len(header := stream.read(8)) == 8:
                data = stream.read(struct.unpack(">BxxxL", header)[1])
                self.output = (self.output + data)[-LOG_BYTES:]
        self._drained.set()

    def ended(self, seconds: float) -> bool:
        """Whether it ends within that many seconds: its output closes with the last of its processes."""
        return self._drained.wait(max(seconds, 0.0))

    def status(self) -> int:
        """The exit status of one that has ended."""
        with engine_faults():
            return int(self.container.client.api.wait(self.container.id, timeout=30)["StatusCode"])

    def cause(self, status: int | None) -> Cause:
        """Which limit the scaffold met, once it has ended with `status`, or before it is killed (None)."""
        for kind in (Cause.OOM, Cause.PIDS):
            if status and LIMIT_MET % kind.value.encode() in self.output:
                return kind
        return self.container.cause() if status in (None, exit_cause.KILLED) else Cause.NONE

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._owner.close()
        self.container.kill()


def probe_container(run: str, image: str, command: Sequence[str], spec: SandboxSpec, ttl: int) -> ScaffoldProcess:
    """A container with a scaffold's limits and none of its mounts, that runs a command as its main process."""
    host = host_config(replace(spec, network=False))
    return ScaffoldProcess(_create(image, ttl, command, run, AGENT, host, working_dir="/", environment=SAFE_ENV))


def scaffold_process(
    run: str, image: str, folder: Path, entry: str, socket_folder: Path, spec: SandboxSpec, ttl: int
) -> ScaffoldProcess:
    """Start a scaffold: its files, the door and the socket's folder mounted read-only; no network; no key."""
    mounts = [
        Mount("/scaffold", str(folder), type="bind", read_only=True),
        Mount(DOOR_HOME, str(FILES), type="bind", read_only=True),
        Mount("/run/evolve", str(socket_folder), type="bind", read_only=True),
    ]
    environment = {
        **SAFE_ENV,
        "PYTHONPATH": DOOR_HOME,
        "PYTHONUNBUFFERED": "1",
        "EVOLVE_SOCKET": "/run/evolve/gateway.sock",
        "OPENAI_BASE_URL": "http://127.0.0.1:8111/v1",
        "OPENAI_API_KEY": "none",
    }
    container = _create(
        image,
        ttl,
        ["python3", "-S", f"{DOOR_HOME}/launch.py", entry],
        run,
        AGENT,
        host_config(replace(spec, network=False), mounts=mounts),
        working_dir="/scaffold",
        environment=environment,
    )
    return ScaffoldProcess(container)
