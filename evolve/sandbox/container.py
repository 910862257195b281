"""The three kinds of container, each with all its limits, and the volume that carries a task's state."""

from __future__ import annotations

import contextlib
import io
import secrets
import socket
import struct
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound
from docker.types import DriverConfig, Mount

from evolve.errors import InfraError
from evolve.records import Cause, SandboxSpec, TaskImage
from evolve.sandbox import fate
from evolve.sandbox.engine import LABEL, connect
from evolve.sandbox.fate import engine_faults
from evolve.sandbox.limits import host_config
from evolve.sandbox.shell import Shell

AGENT = "10001:10001"
KEEPER = "65534:65534"
ROOT = "0:0"
FILES = Path(__file__).parent / "files"
DOOR_HOME = "/opt/evolve"
PRISTINE = "/.evolve/workdir"
LOG_BYTES = 64_000
LIMIT_MET = b"[evolve] limit met: %s\n"
SAFE_ENV = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp", "TZ": "UTC"}


def _state_mount(volume: str, run: str, workdir: str, spec: SandboxSpec) -> Mount:
    """A sized tmpfs owned by the agent, kept by the engine for as long as one container has it mounted."""
    options = f"size={spec.disk_mb}m,nr_inodes=20k,uid=10001,gid=10001,mode=0755,nosuid,nodev"
    driver = DriverConfig("local", {"type": "tmpfs", "device": "tmpfs", "o": options})
    return Mount(workdir, volume, type="volume", no_copy=True, labels={LABEL: run}, driver_config=driver)


@dataclass
class Container:
    """A created container; `remove` is forced and may be called twice."""

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

    def kill(self) -> None:
        with engine_faults(), contextlib.suppress(NotFound):
            self.client.api.remove_container(self.id, force=True)

    def cause(self) -> Cause:
        """Which of its limits the container has met so far."""
        return fate.cause(self.client, self.id)

    def shell(self, user: str, workdir: str, env: Mapping[str, str] | None = None) -> Shell:
        with engine_faults():
            return Shell(self.client, self.id, user, workdir, dict(env or {}))


def _create(image: str, command: list[str], run: str, user: str, host: dict[str, Any], **more: Any) -> Container:
    client = connect()
    with engine_faults():
        made = client.api.create_container(
            image, command, user=user, host_config=host, labels={LABEL: run}, hostname="sandbox", **more
        )
    return Container(client, made["Id"])


def _keeper(seconds: int) -> list[str]:
    """PID 1's work: nothing, and an end by itself even if nobody comes."""
    return ["timeout", "-s", "KILL", str(seconds), "sleep", "infinity"]


class TaskState:
    """The working directory of one trial: a volume that outlives the task's container and ends with the trial."""

    def __init__(self, run: str, image: TaskImage, spec: SandboxSpec) -> None:
        self.run, self.image, self.spec = run, image, spec
        self.volume = f"evolve-{secrets.token_hex(8)}"

    def mount(self) -> Mount:
        return _state_mount(self.volume, self.run, self.image.workdir, self.spec)

    def remove(self) -> None:
        with engine_faults(), contextlib.suppress(NotFound):
            connect().api.remove_volume(self.volume, force=True)


def task_container(state: TaskState, ttl: int, extra_tmpfs: Mapping[str, str] | None = None) -> Container:
    """The agent's world: the task's image, its working directory on the state's volume, commands run as AGENT."""
    host = host_config(state.spec, mounts=[state.mount()], tmpfs=dict(extra_tmpfs or {}))
    container = _create(
        state.image.image,
        _keeper(ttl),
        state.run,
        KEEPER,
        host,
        working_dir="/",
        environment=_environment(state),
    )
    container.start()
    return container


def verifier_container(state: TaskState, ttl: int) -> Container:
    """Fresh, from the task's image, with the state's volume; may change its user, so that tests stay root's."""
    tmpfs = {
        "/tests": "rw,exec,nosuid,nodev,size=32m,mode=0700",
        "/logs": "rw,nosuid,nodev,size=32m,mode=0755",
    }
    host = host_config(state.spec, mounts=[state.mount()], tmpfs=tmpfs, cap_add=["SETUID", "SETGID", "KILL"])
    container = _create(
        state.image.image,
        _keeper(ttl),
        state.run,
        ROOT,
        host,
        working_dir="/",
        environment=_environment(state),
    )
    container.start()
    return container


def _environment(state: TaskState) -> list[str]:
    return [*state.image.env, *(f"{name}={value}" for name, value in SAFE_ENV.items())]


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

    def wait(self, seconds: float) -> int | None:
        """The exit status, or None if it still runs after that many seconds."""
        if not self._drained.wait(max(seconds, 0.0)):
            return None
        with engine_faults():
            return int(self.container.client.api.wait(self.container.id, timeout=30)["StatusCode"])

    def cause(self, status: int | None) -> Cause:
        """Which limit the scaffold met, once it has ended with `status`, or before it is killed (None)."""
        for kind in (Cause.OOM, Cause.PIDS):
            if status and LIMIT_MET % kind.value.encode() in self.output:
                return kind
        return self.container.cause() if status in (None, fate.KILLED) else Cause.NONE

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._owner.close()
        self.container.kill()


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
    command = ["timeout", "-s", "KILL", str(ttl), "python3", f"{DOOR_HOME}/launch.py", entry]
    container = _create(
        image,
        command,
        run,
        AGENT,
        host_config(replace(spec, network=False), mounts=mounts),
        working_dir="/scaffold",
        environment=environment,
    )
    return ScaffoldProcess(container)


def pack(folder: Path) -> bytes:
    """A folder's regular files as a tar archive owned by root, keeping only the executable bit."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
            data = path.read_bytes()
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size, member.mode = len(data), 0o755 if path.stat().st_mode & 0o100 else 0o644
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def unpack(shell: Shell, folder: Path, target: str) -> None:
    """Put a host folder's files into `target` in the container, through the shell. Raises InfraError."""
    done = shell.run(f"tar -xf - -C {target}", timeout=60, stdin=pack(folder))
    if done.exit_code != 0:
        raise InfraError(f"files could not be put into {target}: {done.stderr.decode(errors='replace')[:200]}")
