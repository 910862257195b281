"""What a task's compose file says: the container of the agent, the services beside it, and what they share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Pairs = tuple[tuple[str, str], ...]
DEFAULT_NETWORK = "default"


class Condition(StrEnum):
    """What a service waits for: that another one was started, is healthy, or has ended with status 0."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


class MountKind(StrEnum):
    """Where a mounted folder comes from.

    VOLUME: a volume of the trial, by name. FILES: files of the task, by their path on this machine. LOGS: a folder of
    `/logs` that the services share. MEMORY: a tmpfs of the container's own.
    """

    VOLUME = "volume"
    FILES = "files"
    LOGS = "logs"
    MEMORY = "memory"


@dataclass(frozen=True)
class ServiceMount:
    """One mount. `source`: see MountKind; "" for a volume that has no name. `bytes`: size of MEMORY, None: no limit."""

    kind: MountKind
    target: str
    source: str = ""
    read_only: bool = False
    bytes: int | None = None

    def __post_init__(self) -> None:
        if not self.target.startswith("/"):
            raise ValueError(f"the target of a mount is an absolute path: {self.target}")


@dataclass(frozen=True)
class ServiceBuild:
    """How an image is built. `context`: a folder, and `dockerfile`: a file in it; relative to the task's folder."""

    context: str
    dockerfile: str = "Dockerfile"
    arguments: Pairs = ()


@dataclass(frozen=True)
class ServiceHealth:
    """A check that the engine runs in the container; seconds. `test`: as the engine has it; ("NONE",): none at all."""

    test: tuple[str, ...] = ()
    interval: float = 30.0
    timeout: float = 30.0
    start_period: float = 0.0
    retries: int = 3


@dataclass(frozen=True)
class Service:
    """One container of a compose file. What is None or empty is as the image has it.

    Attributes:
        build: How its image is built; None: `image` is a ready one.
        cpus: None, and `memory_mb` None: what the engine's machine has.
        ulimits: Name, soft and hard limit.
        networks: Names of the networks that it is in, each with further names that it has there.
        isolated: It is in no network at all.
        depends: Other services, and what it waits for.
        restarts: The engine starts it again after a failure.
    """

    name: str
    image: str = ""
    build: ServiceBuild | None = None
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    env: Pairs = ()
    workdir: str = ""
    user: str = ""
    hostname: str = ""
    cpus: float | None = None
    memory_mb: int | None = None
    pids: int | None = None
    shm_bytes: int | None = None
    ulimits: tuple[tuple[str, int, int], ...] = ()
    sysctls: Pairs = ()
    extra_hosts: Pairs = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    read_only: bool = False
    mounts: tuple[ServiceMount, ...] = ()
    health: ServiceHealth | None = None
    networks: tuple[tuple[str, tuple[str, ...]], ...] = ((DEFAULT_NETWORK, ()),)
    isolated: bool = False
    depends: tuple[tuple[str, Condition], ...] = ()
    restarts: bool = False
    stop_signal: str = ""


@dataclass(frozen=True)
class Composition:
    """All containers of an environment.

    Attributes:
        main: The one in which the agent's commands run.
        services: The others, each after those that it waits for.
        internal: Networks from which nothing outside can be reached, whatever the task's network is.
    """

    main: Service
    services: tuple[Service, ...] = ()
    internal: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [one.name for one in (self.main, *self.services)]
        if len(set(names)) < len(names):
            raise ValueError("two services have the same name")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the services beside the agent's container."""
        return tuple(one.name for one in self.services)

    def may_go_out(self, service: Service) -> bool:
        """Whether a service reaches what is outside, where the task's network lets it."""
        return not service.isolated and any(name not in self.internal for name, _ in service.networks)
