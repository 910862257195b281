"""The three kinds of container (scaffold, task, verifier) with their limits, and the volume with a task's state."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol

import docker
from docker.errors import APIError, NotFound
from docker.types import DriverConfig, Mount

from evolve.core.errors import EngineError, InfraError
from evolve.core.launch import GATEWAY_URL, INSTRUCTION_FILE, SCAFFOLD, Launch, gateway_variables
from evolve.core.records import Cause, SandboxSpec, SuiteProfile, TaskImage
from evolve.core.task_format import (
    MAIN_SERVICE,
    McpServer,
    NetworkMode,
    Networks,
    TaskFormat,
    has_allowlist,
    needs_network,
    phase_networks,
    resolve_variables,
)
from evolve.sandbox import exit_cause
from evolve.sandbox.archive import pack_folders
from evolve.sandbox.engine import builder, connect, container_labels, owner_labels
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.first_shell import POWERS, FirstShell, first_process, unable_images
from evolve.sandbox.limits import host_config, tmpfs_size
from evolve.sandbox.resources import FILES, TrialResources
from evolve.sandbox.service_options import ServiceOptions, Shared
from evolve.sandbox.shell import ContainerShell, MainShell, new_copy, opening
from evolve.sandbox.streams import frames
from evolve.sandbox.uids import LAST

# The agent outside trials; a trial has a user of its own.
AGENT = "10001:10001"
# For a check of the engine, which must know the ids of all trials.
LAST_USER = f"{LAST}:{LAST}"
KEEPER = "65534:65534"
ROOT = "0:0"
AGENT_UID = "EVOLVE_AGENT_UID"
MCP_SERVERS = "EVOLVE_MCP_SERVERS"
DOOR_HOME = "/opt/evolve"
PRISTINE = "/.evolve/workdir"
LOG_BYTES = 64_000
NETWORK = "bridge"
# Before the id of a container whose network another one shares, and with it its name.
SHARED_NETWORK = "container:"
ANSWER_SECONDS = 10.0
LIMIT_MET = b"[evolve] limit met: %s\n"
NOT_FOUND, NOT_RUNNING, NAME_TAKEN = 404, 409, 409
# PID 1: ends with the command or at its time limit, and reaps processes that lost their parent. The engine's own init
# is one file of the host's in all containers, and so a channel between them. Signal 30 is the engine's STOP_SIGNAL.
INIT = f'trap "exit {exit_cause.STOPPED}" 30; exec 3<&0; timeout -s KILL "$@" <&3 3<&- & exec <&- 3<&-; wait $!'
TESTS_TMPFS = {
    "/tests": "rw,exec,nosuid,nodev,size=32m,mode=0700",
    "/logs": "rw,nosuid,nodev,size=32m,mode=0755",
}
# A generator's own files, and the folder that it writes to.
GENERATOR_TMPFS = {
    "/instances": "rw,exec,nosuid,nodev,size=32m,mode=0777",
    "/instance": "rw,nosuid,nodev,size=32m,mode=0777",
}
# Of a strict verifier. The tests read what the agent kept private, and write beside it.
VERIFIER_POWERS = ["SETUID", "SETGID", "KILL", "DAC_OVERRIDE", "FOWNER", "CHOWN"]
# The repositories there are the agent's: git as root must work in them, without a program of the agent's choice.
VERIFIER_GIT = {
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_CONFIG_KEY_1": "core.fsmonitor",
    "GIT_CONFIG_VALUE_1": "false",
}
# A folder for each phase, writable by every user. With Harbor's defaults nothing else is added to a container.
LOG_FOLDERS = ("logs", "logs/verifier", "logs/agent", "logs/artifacts")
HARBOR_ENV = {"PYTHONHASHSEED": "0"}
SAFE_ENV = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp", "TZ": "UTC"}


def _state_mount(volume: str, run: str, workdir: str, spec: SandboxSpec, user: str) -> Mount:
    """A tmpfs volume of limited size, owned by the agent; the engine keeps it while a container has it mounted."""
    uid, _, gid = user.partition(":")
    options = f"{tmpfs_size(spec)},uid={uid},gid={gid},mode=0755,nosuid,nodev"
    driver = DriverConfig("local", {"type": "tmpfs", "device": "tmpfs", "o": options})
    return Mount(workdir, volume, type="volume", no_copy=True, labels=owner_labels(run), driver_config=driver)


def _resolver_mount(resources: TrialResources | None) -> Mount:
    """The address at which a proxy answers questions for names; the engine writes none without a network."""
    files = FILES if resources is None else resources.files
    return Mount("/etc/resolv.conf", str(files / "resolv.conf"), type="bind", read_only=True)


class Outlet(Protocol):
    """A way out of a container that has no network; it ends with the container."""

    def allow(self, hosts: tuple[str, ...] | None) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Container:
    """A container that has been created. `stop` and `kill` may be called twice.

    ttl: after how many seconds it ends by itself.
    """

    client: docker.DockerClient
    id: str
    connected: bool = False
    ttl: int = 0
    outlet: Outlet | None = None
    first_shell: FirstShell | None = None

    def connect(self, connected: bool) -> None:
        """Give a container that was started with a network another one, or take it away. Raises InfraError."""
        if connected == self.connected:
            return
        api = self.client.api
        with engine_faults():
            if connected:
                api.connect_container_to_network(self.id, NETWORK)
            else:
                api.disconnect_container_from_network(self.id, NETWORK, force=True)
        self.connected = connected

    def service(self, name: str) -> Container:
        """The container of a service of the task; `main` is this one. Raises InfraError if there is none."""
        if name != MAIN_SERVICE:
            raise InfraError(f"the task has no service {name}")
        return self

    def start(self) -> None:
        """Start it, or remove it if it can't be started. Raises InfraError."""
        try:
            with engine_faults():
                self.client.api.start(self.id)
        except InfraError:
            self.kill()
            raise

    def stop(self) -> None:
        """Kill all its processes with SIGKILL; they are dead when this returns."""
        self._unless_dead(self.client.api.kill)

    def _unless_dead(self, act: Callable[[str], object]) -> bool:
        """Do something with the container that needs it to run, and return whether it does."""
        with engine_faults():
            try:
                act(self.id)
            except APIError as error:
                if error.status_code not in (NOT_FOUND, NOT_RUNNING):
                    raise
                return False
        return True

    def kill(self) -> None:
        """Kill and remove it, with the volumes that its image declares, and its outlet."""
        if self.first_shell is not None:
            self.first_shell.close()
        try:
            with engine_faults(), contextlib.suppress(NotFound):
                self.client.api.remove_container(self.id, force=True, v=True)
        finally:
            if self.outlet is not None:
                self.outlet.kill()

    @contextlib.contextmanager
    def halted(self) -> Iterator[None]:
        """Let none of its processes run while the context lasts. Raises InfraError."""
        is_halted = self._unless_dead(self.client.api.pause)
        try:
            yield
        finally:
            if is_halted:
                self._unless_dead(self.client.api.unpause)

    def cause(self) -> Cause:
        """Which of its limits the container has exceeded so far."""
        return exit_cause.find_cause(self.client, self.id)

    def is_running(self) -> bool:
        """Whether its first process runs. Raises InfraError if the engine lost it."""
        return bool(exit_cause.inspect_state(self.client, self.id)["Running"])

    def is_ruined(self) -> bool:
        """Whether its own processes filled or ended it. Raises InfraError if the engine lost it."""
        return self.is_running() or exit_cause.ended_from_within(self.client, self.id, powerful=True)

    def main_shell(self, lasting: bool = False) -> ContainerShell:
        """Attach to the shell that is the container's main process. `lasting`: as for `MainShell`."""
        with engine_faults():
            return MainShell(self.client, self.id, lasting)

    def shell(
        self, user: str, workdir: str, env: Mapping[str, str] | None = None, names_sessions: bool = False
    ) -> ContainerShell:
        """Open a shell in the running container, or use its first one if that is for this. Raises InfraError."""
        first, asked = self.first_shell, (user, workdir, dict(env or {}))
        if first is not None and asked == (first.user, first.workdir, {}):
            self.first_shell = None
        else:
            first = None
        with engine_faults():
            return ContainerShell(self.client, self.id, *asked, names_sessions, first)

    def working_shell(
        self, user: str, workdir: str, env: Mapping[str, str] | None = None, names_sessions: bool = False
    ) -> ContainerShell:
        """Open a shell, and see that it runs commands. Raises InfraError."""
        shell = self.shell(user, workdir, env, names_sessions)
        if shell.run(":", timeout=ANSWER_SECONDS).exit_code != 0:
            shell.close()
            raise InfraError(f"user {user} can't run commands in {workdir} of the task's container")
        return shell

    def put(self, archive: bytes | IO[bytes], folder: str = "/") -> None:
        """Unpack a tar archive into a folder, without the help of a program in the container. Raises InfraError."""
        with engine_faults():
            builder().api.put_archive(self.id, folder, archive)


def create_container(
    image: str,
    ttl: int,
    command: Sequence[str],
    run: str,
    user: str,
    host: dict[str, Any],
    kind: str = "",
    resources: TrialResources | None = None,
    first_process: Sequence[str] = (),
    **options: Any,
) -> Container:
    """Create a container whose main process is `command`; it ends by itself after `ttl` seconds.

    Without a network it is created with `network_disabled`: the runtime sets up the loopback, the engine nothing.

    Args:
        kind: With `resources`, part of its name, which makes the engine refuse a user id that is in use there.
        first_process: Arguments of `sh` in place of those that start `command`; it must end after `ttl` seconds, too.
    """
    client = connect()
    options |= {"labels": container_labels(run, ttl), "stop_signal": exit_cause.STOP_SIGNAL}
    if not host["NetworkMode"].startswith(SHARED_NETWORK):
        options.setdefault("hostname", "sandbox")
    if host["NetworkMode"] == "none":
        files = FILES if resources is None else resources.files
        hosts = Mount("/etc/hosts", str(files / "hosts"), type="bind", read_only=True)
        host = {**host, "Mounts": [*host.get("Mounts", ()), hosts]}
        options["network_disabled"] = True
    if resources is not None:
        options["name"] = f"evolve-{resources.uid.number}-{kind}"
    # An image's own entry point would take the command for its arguments.
    options["entrypoint"], limited = ["sh"], list(first_process) or ["-c", INIT, "init", str(ttl), *command]
    with engine_faults():
        try:
            answer = client.api.create_container(image, limited, user=user, host_config=host, **options)
        except APIError as error:
            if resources is None or error.status_code != NAME_TAKEN:
                raise
            resources.uid.release(keep_mark=True)
            raise EngineError(f"another container has the name {options['name']}, and so the user id") from error
    return Container(client, answer["Id"], connected=host["NetworkMode"] == NETWORK, ttl=ttl)


class GraderDoor(Protocol):
    """What the tests of a trial may reach besides their container's network.

    Attributes:
        fault: A fault of the machine behind it while they ran.
        spent: The limit of it that they reached; "" for none.
    """

    fault: Exception | None
    spent: str

    def beside(self, state: TaskState, container: Container, ttl: int) -> contextlib.AbstractContextManager[None]:
        """Let the tests in a container reach it while the context lasts. Raises InfraError."""
        ...


class TaskState:
    """What one trial hands to its verifier, and how its containers are made. It ends with the trial.

    STRICT: the working directory, a volume that outlives the task's container. LOOSE: the whole file system.

    Args:
        resources: What the trial has to itself on the host; None outside trials.
        format: How the task's commands run.

    Attributes:
        door: For its tests; None: there is none.
    """

    door: GraderDoor | None = None

    def __init__(
        self,
        run: str,
        image: TaskImage,
        spec: SandboxSpec,
        profile: SuiteProfile = SuiteProfile.STRICT,
        resources: TrialResources | None = None,
        format: TaskFormat | None = None,
    ) -> None:
        self.run, self.image, self.spec, self.profile, self.resources = run, image, spec, profile, resources
        self.format = format or TaskFormat()
        self.volume = f"evolve-{secrets.token_hex(8)}"

    @property
    def loose(self) -> bool:
        return self.profile is SuiteProfile.LOOSE

    @property
    def user(self) -> str:
        """The user that runs the agent's commands."""
        if self.format.harbor:
            return container_user(self.format.agent.user, self.image)
        return ROOT if self.loose else self.unprivileged_user

    @property
    def verifier_user(self) -> str:
        """The user that runs the tests."""
        return container_user(self.format.verifier.user, self.image) if self.format.harbor else ROOT

    @property
    def unprivileged_user(self) -> str:
        """The user for what is not trusted, which the verifier's tests may use too."""
        return AGENT if self.resources is None else self.resources.user

    @property
    def verifier_variables(self) -> dict[str, str]:
        """Variables of the tests: as which user to run the candidate's code, and what the task sets."""
        own = resolve_variables(self.format.verifier.env, os.environ)
        return {AGENT_UID: self.unprivileged_user.partition(":")[0], **own}

    def with_door(self, container: Container, ttl: int) -> contextlib.AbstractContextManager[None]:
        """Let the tests in a container use the trial's door for them while the context lasts. Raises InfraError."""
        return self.door.beside(self, container, ttl) if self.door else contextlib.nullcontext()

    def during(self, format: TaskFormat, image: TaskImage) -> TaskState:
        """The same state, with what holds in one step of the task."""
        other = copy.copy(self)
        other.format, other.image = format, image
        agent = phase_networks(format, self.spec.network).agent
        other.spec = replace(self.spec, network=agent.mode is NetworkMode.PUBLIC)
        return other

    @property
    def networks(self) -> Networks:
        """What each phase can reach."""
        return phase_networks(self.format, self.spec.network)

    @property
    def tests_spec(self) -> SandboxSpec:
        """The settings of a container for the tests alone."""
        return replace(self.spec, network=self.networks.tests.mode is NetworkMode.PUBLIC)

    def mounts(self) -> list[Mount]:
        if self.loose:
            return []
        return [_state_mount(self.volume, self.run, self.image.workdir, self.spec, self.unprivileged_user)]

    def environment(self) -> list[str]:
        if self.format.harbor:
            own = dict(pair.partition("=")[::2] for pair in self.image.env)
            task = dict(self.format.environment.env) | mcp_variables(self.format.environment.mcp_servers)
            return [f"{name}={value}" for name, value in {**HARBOR_ENV, **own, **task}.items()]
        variables = {**SAFE_ENV, "HOME": "/root"} if self.loose else SAFE_ENV
        variables = {**variables, **dict(self.format.environment.env)}
        return [*self.image.env, *(f"{name}={value}" for name, value in variables.items())]

    def remove(self) -> None:
        """Remove the volume, and what the trial has on the host. Raises InfraError."""
        with engine_faults(), contextlib.suppress(NotFound):
            connect().api.remove_volume(self.volume, force=True)
        if self.resources is not None:
            self.resources.remove()


def mcp_variables(servers: Sequence[McpServer]) -> dict[str, str]:
    """The variable that tells agents in a task's container its MCP servers; none if it has none."""
    return {MCP_SERVERS: json.dumps([server.as_table() for server in servers])} if servers else {}


def container_user(asked: str, image: TaskImage) -> str:
    """The user of a container's commands: the one that the task asks for, otherwise the image's, otherwise root."""
    user = asked or image.user
    return ROOT if user in ("", "0", "root") else user


@dataclass(frozen=True)
class AgentFiles:
    """What the task's container has for an agent that runs there. `image`: the task's, with the agent's tools."""

    image: str
    scaffold: Path
    door: Path

    def mounts(self) -> list[Mount]:
        """The scaffold's files and Evolve's, read-only."""
        places = ((SCAFFOLD, self.scaffold), (DOOR_HOME, self.door))
        return [Mount(place, str(folder), type="bind", read_only=True) for place, folder in places]


def task_container(
    state: TaskState,
    ttl: int,
    tmpfs: Mapping[str, str] | None = None,
    kind: str = "task",
    shared: Shared | None = None,
    agent: AgentFiles | None = None,
    opens_shell: bool = False,
) -> Container:
    """Start the container in which the agent's commands run, with the task's image and state.

    Args:
        kind: Part of its name.
        shared: What it shares with services of the task beside it, which are connected to each other.
        agent: Of an agent that runs there itself.
        opens_shell: Start it with the agent's first shell, where the suite is strict and the image can do that.
    """
    spec = replace(state.spec, network=shared is None and needs_network(state.format, state.spec.network))
    composition = state.format.environment.composition
    service = ServiceOptions(composition.main, shared, state.resources) if composition else None
    mounts = [*state.mounts(), *(agent.mounts() if agent else ()), *(service.mounts() if service else ())]
    own = service.host() if service else {}
    host = host_config(
        spec, state.profile, mounts=mounts, **{**own, "tmpfs": {**own.get("tmpfs", {}), **(tmpfs or {})}}
    )
    keeper, image = ROOT if state.loose else KEEPER, agent.image if agent else state.image.image
    if service is None:
        if opens_shell and _can_open_shell(state, image):
            return _start_with_shell(state, kind, image, ttl, host)
        return _start_container(state, kind, image, ttl, main_command(state), keeper, host)
    host, options = service.limited(host), service.options(MAIN_SERVICE)
    return _start_container(
        state, kind, image, ttl, main_command(state), keeper, host, before=service.complete, **options
    )


def _can_open_shell(state: TaskState, image: str) -> bool:
    """Whether its agent is a user without power, and nothing is known against the image."""
    strict = not (state.loose or state.format.harbor)
    return strict and state.user == state.unprivileged_user and image not in unable_images()


def _start_with_shell(state: TaskState, kind: str, image: str, ttl: int, host: dict[str, Any]) -> Container:
    """Start a task's container with the agent's first shell, or without where the image lacks what that needs."""
    copy, workdir = new_copy(), state.image.workdir

    def attach(container: Container) -> None:
        with engine_faults():
            container.first_shell = FirstShell(container.client, container.id, state.user, workdir, copy)

    start = first_process(opening(copy), state.user, KEEPER, ttl)
    powerful = {**host, "CapAdd": list(POWERS)}
    container = _start_container(
        state, kind, image, ttl, (), ROOT, powerful, before=attach, first_process=start, working_dir=workdir
    )
    if container.first_shell is not None and container.first_shell.await_start():
        return container
    try:
        if not container.is_running():
            unable_images().add(image)
    finally:
        container.kill()
    return _start_container(state, kind, image, ttl, main_command(state), KEEPER, host)


def main_command(state: TaskState) -> list[str]:
    """What a task's container runs. In a loose suite, the image's entry point may start what the task needs."""
    composition = state.format.environment.composition
    own = composition.main.command if composition else None
    command = [*(state.image.entrypoint if state.loose else ()), *(("sleep", "infinity") if own is None else own)]
    return command or ["sleep", "infinity"]


def verifier_container(state: TaskState, ttl: int, image: str | None = None, kind: str = "verifier") -> Container:
    """Start a fresh container for the verifier; its main process is the shell that runs the tests.

    STRICT: the task's image and the state's volume; it may change its user, so that the tests can belong to root, and
    use all files of the agent, of which no process ever runs there.
    LOOSE: from `image`, the frozen file system.
    """
    powers = {} if state.loose else {"cap_add": VERIFIER_POWERS}
    variables = state.verifier_variables | ({} if state.loose else VERIFIER_GIT)
    host = host_config(state.tests_spec, state.profile, mounts=state.mounts(), tmpfs=TESTS_TMPFS, **powers)
    return _start_container(state, kind, image or state.image.image, ttl, ["sh"], ROOT, host, variables)


def spare_container(state: TaskState, ttl: int) -> Container:
    """Start another container like the task's, in which nothing of the agent ever ran."""
    host = host_config(state.spec, state.profile)
    return _start_container(state, "spare", state.image.image, ttl, ["sleep", "infinity"], ROOT, host)


def copy_container(state: TaskState, ttl: int, image: str, origin: Container) -> Container:
    """Start a container for tests from `image`, the frozen file system of `origin`, with the volumes of that one."""
    host = host_config(state.tests_spec, state.profile, volumes_from=[origin.id])
    return _start_container(state, "verifier", image, ttl, ["sleep", "infinity"], ROOT, host)


def separate_container(state: TaskState, ttl: int) -> Container:
    """Start a container for tests that get nothing of the task's container; `state` describes the tests' own one."""
    host = host_config(state.spec, state.profile)
    return _start_container(state, "verifier", state.image.image, ttl, ["sleep", "infinity"], ROOT, host)


def reader_container(state: TaskState, ttl: int) -> Container:
    """Start a fresh container with the state's volume; its main process is a shell, as the agent, that reads it."""
    host = host_config(state.spec, state.profile, mounts=state.mounts())
    return _start_container(state, "reader", state.image.image, ttl, ["sh"], state.unprivileged_user, host)


def generator_container(state: TaskState, ttl: int) -> Container:
    """Start a container that generates an instance of the task; its main process is a shell, as the agent.

    It has the task's image, but neither its state nor a network, whatever the suite's profile.
    """
    host = host_config(replace(state.spec, network=False), tmpfs=GENERATOR_TMPFS)
    return _start_container(state, "generator", state.image.image, ttl, ["sh"], state.unprivileged_user, host)


def _start_container(
    state: TaskState,
    kind: str,
    image: str,
    ttl: int,
    command: Sequence[str],
    user: str,
    host: dict[str, Any],
    variables: Mapping[str, str] | None = None,
    before: Callable[[Container], None] | None = None,
    **options: Any,
) -> Container:
    environment = [*state.environment(), *(f"{name}={value}" for name, value in (variables or {}).items())]
    options.setdefault("working_dir", state.image.workdir if state.format.harbor else "/")
    if host["NetworkMode"] == "none" and has_allowlist(state.format):
        host = {**host, "Mounts": [*host.get("Mounts", ()), _resolver_mount(state.resources)]}
    container = create_container(
        image,
        ttl,
        command,
        state.run,
        user,
        host,
        kind,
        state.resources,
        stdin_open=True,
        environment=environment,
        **options,
    )
    if state.format.harbor:
        container.put(pack_folders(LOG_FOLDERS))
    if before is not None:
        try:
            before(container)
        except InfraError:
            container.kill()
            raise
    container.start()
    return container


@contextlib.contextmanager
def frozen_image(container: Container) -> Iterator[str]:
    """Kill a container, and keep its file system as an image while the context lasts.

    The image has the container's labels, so a sweep finds it.
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
