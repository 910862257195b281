"""The containers of a trial that have the task's image: the agent's, the verifier's and those for reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docker.types import Mount

from evolve.core.errors import InfraError
from evolve.core.launch import SCAFFOLD
from evolve.core.task_format import MAIN_SERVICE, has_allowlist, needs_network
from evolve.sandbox.archive import pack_folders
from evolve.sandbox.container import Container, create_container
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.first_shell import POWERS, FirstShell, first_process, unable_images
from evolve.sandbox.inside import DOOR_HOME, KEEPER, ROOT
from evolve.sandbox.limits import host_config
from evolve.sandbox.resources import FILES, TrialResources
from evolve.sandbox.service_options import ServiceOptions, Shared
from evolve.sandbox.shell import new_copy, opening
from evolve.sandbox.task_state import TaskState

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


def _resolver_mount(resources: TrialResources | None) -> Mount:
    """The address at which a proxy answers questions for names; the engine writes none without a network."""
    files = FILES if resources is None else resources.files
    return Mount("/etc/resolv.conf", str(files / "resolv.conf"), type="bind", read_only=True)


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
