"""The containers of a task with a compose file: the agent's, and services beside it, which live as long as it does.

The services of a trial reach each other by their names, in networks of the trial's own that lead nowhere else. What is
outside is reached by way of the engine's network, in those phases in which the task has one.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from docker.errors import NotFound
from docker.types import LogConfig

from evolve.core.composition import Composition, Condition, MountKind, Service
from evolve.core.errors import InfraError
from evolve.core.records import TaskImage
from evolve.core.task_format import MAIN_SERVICE, NetworkMode, SandboxSpec, needs_network
from evolve.sandbox.container import Container
from evolve.sandbox.engine import connect, container_labels, owner_labels
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.limits import host_config
from evolve.sandbox.service_options import ServiceOptions, Shared
from evolve.sandbox.service_states import wait_until_completed, wait_until_healthy
from evolve.sandbox.task_containers import AgentFiles, task_container
from evolve.sandbox.task_state import TaskState

LEAST_MEMORY_MB = 32
MAX_RESTARTS = 10
# The host has no address in such a network, so nothing of it can be reached there.
NO_HOST = {"com.docker.network.bridge.inhibit_ipv4": "true"}


@dataclass
class ServiceContainer(Container):
    """A service's container. `goes_out`: it reaches what is outside, where the task's network lets it."""

    goes_out: bool = True

    def connect(self, connected: bool) -> None:
        if self.goes_out:
            super().connect(connected)


@dataclass
class ComposedContainer(Container):
    """The agent's container, with what belongs to it: services, networks and volumes, which end with it."""

    goes_out: bool = True
    services: Mapping[str, ServiceContainer] = field(default_factory=dict)
    remains: Sequence[Callable[[], None]] = ()

    def connect(self, connected: bool) -> None:
        """Give all services that may have one another network, or take it away. Raises InfraError."""
        if self.goes_out:
            super().connect(connected)
        for one in self.services.values():
            one.connect(connected)

    def service(self, name: str) -> Container:
        if name == MAIN_SERVICE:
            return self
        if name not in self.services:
            raise InfraError(f"the task has no service {name}")
        return self.services[name]

    def kill(self) -> None:
        """Kill and remove all containers, then networks and volumes. Raises InfraError after trying everything."""
        _do_all([super().kill, *(one.kill for one in self.services.values()), *self.remains])


def environment_container(
    state: TaskState,
    ttl: int,
    tmpfs: Mapping[str, str] | None = None,
    kind: str = "task",
    agent: AgentFiles | None = None,
    opens_shell: bool = False,
) -> Container:
    """Start the container of an environment, and the services of its compose file.

    Args:
        agent: Of an agent that runs in the task's container.
        opens_shell: As for `task_container`; not with a compose file.

    Raises:
        InfraError: The machine failed, or a service doesn't become healthy.
    """
    composition = state.format.environment.composition
    if composition is None:
        return task_container(state, ttl, tmpfs, kind, agent=agent, opens_shell=opens_shell)
    if not composition.services:
        return _start_alone(state, composition, ttl, tmpfs, kind, agent)
    return _Starter(state, composition, ttl, kind, _deadline(state), agent).start(tmpfs)


def _start_alone(
    state: TaskState,
    composition: Composition,
    ttl: int,
    tmpfs: Mapping[str, str] | None,
    kind: str,
    agent: AgentFiles | None,
) -> Container:
    """Start a container that has no services beside it."""
    main = task_container(state, ttl, tmpfs, kind, agent=agent)
    if composition.main.health:
        with contextlib.ExitStack() as undo:
            undo.callback(main.kill)
            wait_until_healthy({MAIN_SERVICE: main}, _deadline(state))
            undo.pop_all()
    return ComposedContainer(**vars(main), goes_out=composition.may_go_out(composition.main))


@dataclass
class _Starter:
    """Starts the services of one trial in order."""

    state: TaskState
    composition: Composition
    ttl: int
    kind: str
    deadline: float
    agent: AgentFiles | None = None
    token: str = field(default_factory=lambda: f"evolve-{secrets.token_hex(8)}")
    started: dict[str, Container] = field(default_factory=dict)
    remains: list[Callable[[], None]] = field(default_factory=list)

    def start(self, tmpfs: Mapping[str, str] | None) -> ComposedContainer:
        with contextlib.ExitStack() as undo:
            undo.callback(self._remove)
            shared = self._shared()
            late = waiting_for_main(self.composition)
            self._start_all([one for one in self.composition.services if one.name not in late], shared)
            self._await_all(self.composition.main)
            self._start_main(tmpfs, shared)
            self._start_all([one for one in self.composition.services if one.name in late], shared)
            wait_until_healthy(self.started, self.deadline)
            undo.pop_all()
        return self._composed()

    def _remove(self) -> None:
        """Remove what was made until now; the error that ended the start is the one that counts."""
        with contextlib.suppress(InfraError):
            _do_all([*(one.kill for one in self.started.values()), *self.remains])

    def _start_main(self, tmpfs: Mapping[str, str] | None, shared: Shared) -> None:
        main = task_container(self.state, self.ttl, tmpfs, self.kind, shared, self.agent)
        self.started[MAIN_SERVICE] = main
        is_public = self.state.networks.setup.mode is NetworkMode.PUBLIC
        main.connect(is_public and self._goes_out(self.composition.main))

    def _start_all(self, services: Sequence[Service], shared: Shared) -> None:
        for service in services:
            self._start(service, shared)

    def _composed(self) -> ComposedContainer:
        main = self.started[MAIN_SERVICE]
        services = {name: one for name, one in self.started.items() if isinstance(one, ServiceContainer)}
        goes_out = self._goes_out(self.composition.main)
        return ComposedContainer(**vars(main), goes_out=goes_out, services=services, remains=self.remains)

    def _goes_out(self, service: Service) -> bool:
        return self.composition.may_go_out(service)

    def _shared(self) -> Shared:
        """Make the networks that the services are in; volumes are made with the first container that mounts them."""
        services = (self.composition.main, *self.composition.services)
        names = sorted({name for one in services if not one.isolated for name, _ in one.networks})
        logs = {mount.source for one in services for mount in one.mounts if mount.kind is MountKind.LOGS}
        shared = Shared(
            networks={name: self._network(f"{self.token}-{name}") for name in names},
            prefix=self.token,
            labels=owner_labels(self.state.run),
            logs=frozenset(logs),
            connects=needs_network(self.state.format, self.state.spec.network),
        )
        mounts = {shared.volume(mount) for one in services for mount in one.mounts if mount.source}
        mounts |= {f"{self.token}-{MountKind.LOGS}-{name}" for name in logs}
        self.remains.extend(_remover(connect().api.remove_volume, name) for name in sorted(mounts))
        return shared

    def _network(self, name: str) -> str:
        with engine_faults():
            connect().api.create_network(
                name,
                driver="bridge",
                internal=True,
                options=NO_HOST,
                labels=container_labels(self.state.run, self.ttl),
                check_duplicate=False,
            )
        self.remains.append(_remover(connect().api.remove_network, name))
        return name

    def _start(self, service: Service, shared: Shared) -> None:
        """Start a service when those that it waits for are ready."""
        self._await_all(service)
        options = ServiceOptions(service, shared, self.state.resources)
        with engine_faults():
            container = self._create(service, options, dict(self.state.image.services)[service.name])
        self.started[service.name] = container
        options.complete(container)
        container.connect(self.state.networks.setup.mode is NetworkMode.PUBLIC)
        container.start()

    def _create(self, service: Service, options: ServiceOptions, image: TaskImage) -> ServiceContainer:
        host = options.host()
        config = host_config(
            self._spec(service),
            self.state.profile,
            mounts=options.mounts(),
            log_config=LogConfig(type="json-file", config={"max-size": "1m", "max-file": "1"}),
            **{"network_mode": "none", **host},
        )
        config = options.limited(config)
        if service.restarts:
            config["RestartPolicy"] = {"Name": "on-failure", "MaximumRetryCount": MAX_RESTARTS}
        more: dict[str, Any] = {"entrypoint": list(image.entrypoint)} if service.entrypoint is not None else {}
        if service.stop_signal:
            more["stop_signal"] = service.stop_signal
        if service.workdir:
            more["working_dir"] = service.workdir
        answer = connect().api.create_container(
            image.image,
            list(service.command) if service.command is not None else None,
            host_config=config,
            user=service.user or None,
            environment=list(image.env),
            labels=container_labels(self.state.run, self.ttl),
            **more,
            **options.options(service.name),
        )
        return ServiceContainer(connect(), answer["Id"], goes_out=self._goes_out(service))

    def _spec(self, service: Service) -> SandboxSpec:
        memory = None if service.memory_mb is None else max(service.memory_mb, LEAST_MEMORY_MB)
        own = replace(self.state.spec, cpus=service.cpus, memory_mb=memory, network=False)
        return replace(own, pids=max(min(service.pids or own.pids, own.pids), 16))

    def _await_all(self, service: Service) -> None:
        for name, condition in service.depends:
            if condition is Condition.HEALTHY:
                wait_until_healthy({name: self.started[name]}, self.deadline)
            elif condition is Condition.COMPLETED:
                wait_until_completed(name, self.started[name], self.deadline)


def waiting_for_main(composition: Composition) -> set[str]:
    """The services that are started after the agent's container."""
    late: set[str] = set()
    for one in composition.services:
        if any(name == MAIN_SERVICE or name in late for name, _ in one.depends):
            late.add(one.name)
    return late


def _deadline(state: TaskState) -> float:
    return time.monotonic() + state.format.environment.build_seconds


def _remover(remove: Callable[..., object], name: str) -> Callable[[], None]:
    """An action that removes something, which may be gone."""

    def act() -> None:
        with engine_faults(), contextlib.suppress(NotFound):
            remove(name)

    return act


def _do_all(actions: Sequence[Callable[[], None]]) -> None:
    """Do everything, whatever fails. Raises the first InfraError."""
    errors = []
    for act in actions:
        try:
            act()
        except InfraError as error:
            errors.append(error)
    if errors:
        raise errors[0]
