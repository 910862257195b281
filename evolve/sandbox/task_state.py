"""What a trial hands from the task's container to its verifier: the volume with its state, users and variables."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from docker.errors import NotFound
from docker.types import DriverConfig, Mount

from evolve.core.records import SandboxSpec, SuiteProfile, TaskImage
from evolve.core.task_format import McpServer, NetworkMode, Networks, TaskFormat, phase_networks, resolve_variables
from evolve.sandbox.container import Container
from evolve.sandbox.engine import connect, owner_labels
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.inside import AGENT, AGENT_UID, HARBOR_ENV, MCP_SERVERS, ROOT, SAFE_ENV
from evolve.sandbox.limits import tmpfs_size
from evolve.sandbox.resources import TrialResources


def _state_mount(volume: str, run: str, workdir: str, spec: SandboxSpec, user: str) -> Mount:
    """A tmpfs volume of limited size, owned by the agent; the engine keeps it while a container has it mounted."""
    uid, _, gid = user.partition(":")
    options = f"{tmpfs_size(spec)},uid={uid},gid={gid},mode=0755,nosuid,nodev"
    driver = DriverConfig("local", {"type": "tmpfs", "device": "tmpfs", "o": options})
    return Mount(workdir, volume, type="volume", no_copy=True, labels=owner_labels(run), driver_config=driver)


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
