"""A container with its limits, and its file system as an image."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Protocol

import docker
from docker.errors import APIError, NotFound
from docker.types import Mount

from evolve.core.errors import EngineError, InfraError
from evolve.core.records import Cause
from evolve.core.task_format import MAIN_SERVICE
from evolve.sandbox import exit_cause
from evolve.sandbox.engine import builder, connect, container_labels
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.first_shell import FirstShell
from evolve.sandbox.resources import FILES, TrialResources
from evolve.sandbox.shell import ContainerShell, MainShell

NETWORK = "bridge"
# Before the id of a container whose network another one shares, and with it its name.
SHARED_NETWORK = "container:"
ANSWER_SECONDS = 10.0
NOT_FOUND, NOT_RUNNING, NAME_TAKEN = 404, 409, 409
# PID 1: ends with the command or at its time limit, and reaps processes that lost their parent. The engine's own init
# is one file of the host's in all containers, and so a channel between them. Signal 30 is the engine's STOP_SIGNAL.
INIT = f'trap "exit {exit_cause.STOPPED}" 30; exec 3<&0; timeout -s KILL "$@" <&3 3<&- & exec <&- 3<&-; wait $!'


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
