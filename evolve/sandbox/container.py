"""The three kinds of container, each with all its limits, and the volume that carries a task's state."""

from __future__ import annotations

import contextlib
import io
import secrets
import socket
import struct
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import DriverConfig, LogConfig, Mount, Ulimit

from evolve.errors import InfraError
from evolve.records import SandboxSpec, TaskImage
from evolve.sandbox.engine import ENGINE_FAULTS, LABEL, connect
from evolve.sandbox.shell import MainShell, Shell

AGENT = "10001:10001"
KEEPER = "65534:65534"
ROOT = "0:0"
FILES = Path(__file__).parent / "files"
DOOR_HOME = "/opt/evolve"
PRISTINE = "/.evolve/workdir"
LOG_BYTES = 64_000
NOT_FOUND, NOT_RUNNING = 404, 409
SAFE_ENV = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp", "TZ": "UTC"}


@contextlib.contextmanager
def engine_faults() -> Iterator[None]:
    """Whatever the engine does wrong is an InfraError."""
    try:
        yield
    except ENGINE_FAULTS as error:
        raise InfraError(f"container engine: {type(error).__name__}: {error}") from error


def _host_config(spec: SandboxSpec, **more: Any) -> dict[str, Any]:
    """The limits that all kinds share. Swap equal to memory means none; tmpfs counts as memory."""
    api = connect().api
    tmpfs = f"rw,exec,nosuid,nodev,size={spec.disk_mb}m,nr_inodes=20k,mode=1777"
    options: dict[str, Any] = {
        "init": True,
        "network_mode": "bridge" if spec.network else "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": spec.pids,
        "mem_limit": f"{spec.memory_mb}m",
        "memswap_limit": f"{spec.memory_mb}m",
        "nano_cpus": int(spec.cpus * 1e9),
        "read_only": True,
        "ipc_mode": "private",
        "shm_size": "16m",
        "tmpfs": {"/tmp": tmpfs},
        "ulimits": [
            Ulimit(name="nofile", soft=1024, hard=1024),
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="fsize", soft=spec.disk_mb << 20, hard=spec.disk_mb << 20),
        ],
        "log_config": LogConfig(type="none"),
        "runtime": spec.runtime,
    }
    options["tmpfs"].update(more.pop("tmpfs", {}))
    config: dict[str, Any] = api.create_host_config(**options, **more)
    return config


def _state_mount(volume: str, run: str, workdir: str, spec: SandboxSpec) -> Mount:
    """A sized tmpfs owned by the agent, kept by the engine for as long as one container has it mounted."""
    options = f"size={spec.disk_mb}m,nr_inodes=20k,uid=10001,gid=10001,mode=0755,nosuid,nodev"
    driver = DriverConfig("local", {"type": "tmpfs", "device": "tmpfs", "o": options})
    return Mount(workdir, volume, type="volume", no_copy=True, labels={LABEL: run}, driver_config=driver)


@dataclass
class Container:
    """A created container; `stop` and `kill` (which removes it too) may be called twice."""

    client: docker.DockerClient
    id: str

    def start(self) -> None:
        with engine_faults():
            self.client.api.start(self.id)

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

    def main_shell(self) -> Shell:
        """Of a container whose main process is a shell."""
        with engine_faults():
            return MainShell(self.client, self.id)

    def shell(self, user: str, workdir: str, env: Mapping[str, str] | None = None) -> Shell:
        with engine_faults():
            return Shell(self.client, self.id, user, workdir, dict(env or {}))


def _create(image: str, command: list[str], run: str, user: str, host: dict[str, Any], **more: Any) -> Container:
    """Without a network the engine has nothing to set up: a namespace with a loopback alone is the runtime's work."""
    client = connect()
    if host["NetworkMode"] == "none":
        hosts = Mount("/etc/hosts", str(FILES / "hosts"), type="bind", read_only=True)
        host = {**host, "Mounts": [*host.get("Mounts", ()), hosts]}
        more["network_disabled"] = True
    with engine_faults():
        made = client.api.create_container(
            image, command, user=user, host_config=host, labels={LABEL: run}, hostname="sandbox", **more
        )
    return Container(client, made["Id"])


def _keeper(seconds: int, work: Sequence[str] = ("sleep", "infinity")) -> list[str]:
    """The main process's work: nothing, and an end by itself even if nobody comes."""
    return ["timeout", "-s", "KILL", str(seconds), *work]


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
    host = _host_config(state.spec, mounts=[state.mount()], tmpfs=dict(extra_tmpfs or {}))
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
    """Fresh, from the task's image, with the state's volume; may change its user, so that tests stay root's.

    Its main process is the shell that runs them (`main_shell`).
    """
    tmpfs = {
        "/tests": "rw,exec,nosuid,nodev,size=32m,mode=0700",
        "/logs": "rw,nosuid,nodev,size=32m,mode=0755",
    }
    host = _host_config(state.spec, mounts=[state.mount()], tmpfs=tmpfs, cap_add=["SETUID", "SETGID", "KILL"])
    container = _create(
        state.image.image,
        _keeper(ttl, ["sh"]),
        state.run,
        ROOT,
        host,
        stdin_open=True,
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

    def ended(self, seconds: float) -> bool:
        """Whether it ends within that many seconds: its output closes with the last of its processes."""
        return self._drained.wait(max(seconds, 0.0))

    def status(self) -> int:
        """The exit status of one that has ended."""
        with engine_faults():
            return int(self.container.client.api.wait(self.container.id, timeout=30)["StatusCode"])

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
    command = _keeper(ttl, ["python3", "-S", f"{DOOR_HOME}/launch.py", entry])
    container = _create(
        image,
        command,
        run,
        AGENT,
        _host_config(spec, mounts=mounts),
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
