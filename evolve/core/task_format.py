"""What a task's folder says about its containers, phases and steps: frozen values, with Evolve's own defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from evolve.core.composition import Composition
from evolve.core.reward_scale import RewardScale

# Pairs of name and value, as written: a value may be a template, see `resolve_variables`.
Variables = tuple[tuple[str, str], ...]
Transport = Literal["stdio", "sse", "streamable-http"]
MAIN_SERVICE = "main"
BUILD_SECONDS = 600.0
# The sizes of a container that names none, unless it is a task's with Harbor's defaults.
CPUS, MEMORY_MB, DISK_MB = 1.0, 512, 128
COLLECT_SECONDS = 60.0
# Files that the engine mounts into every container, and folders of the kernel's.
ENGINE_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
KERNEL_FOLDERS = ("/proc", "/sys", "/dev")

# Only a whole value is a template.
_TEMPLATE = re.compile(r"\$\{([^}:]+)(?::-(.*))?\}", re.S)


class SuiteProfile(StrEnum):
    """What a suite's own containers may do. Scaffolds are always STRICT.

    STRICT: an unprivileged user and a read-only root; one folder is kept for the verifier.
    LOOSE: root with the engine's usual capabilities; the whole file system is kept.
    """

    STRICT = "strict"
    LOOSE = "loose"


class VerifierMode(StrEnum):
    """Where the verifier runs.

    ISOLATED: in its own container, after all processes of the agent have ended. LIVE: in the task's container, beside
    them. SHARED: in the task's container, beside the services that the agent left; its other processes have ended.
    """

    ISOLATED = "isolated"
    LIVE = "live"
    SHARED = "shared"


# The tests run in the agent's own container.
IN_PLACE = (VerifierMode.LIVE, VerifierMode.SHARED)


class NetworkMode(StrEnum):
    """What a container can reach. ALLOWLIST: only the hosts that its policy names."""

    NONE = "no-network"
    PUBLIC = "public"
    ALLOWLIST = "allowlist"


class RewardStrategy(StrEnum):
    """How a task's reward follows from those of its steps: their mean, or the last one's."""

    MEAN = "mean"
    FINAL = "final"


@dataclass(frozen=True)
class SandboxSpec:
    """The engine's settings for one container. `runtime` None is the engine's default.

    A size of None (`cpus`, `memory_mb`, `disk_mb`) is limited by the engine's machine alone.
    """

    cpus: float | None = CPUS
    memory_mb: int | None = MEMORY_MB
    pids: int = 256
    disk_mb: int | None = DISK_MB
    runtime: str | None = None
    network: bool = False

    def __post_init__(self) -> None:
        sizes = ((self.cpus, 0.001), (self.memory_mb, 32), (self.disk_mb, 8), (self.pids, 16))
        if any(size is not None and size < least for size, least in sizes):
            raise ValueError("cpus must be above 0, memory_mb at least 32, pids at least 16 and disk_mb at least 8")


@dataclass(frozen=True)
class NetworkPolicy:
    """What one phase of a task can reach. `allowed_hosts`: names, `*.` patterns, addresses and ranges of ALLOWLIST."""

    mode: NetworkMode = NetworkMode.NONE
    allowed_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.allowed_hosts and self.mode is not NetworkMode.ALLOWLIST:
            raise ValueError(f"only an allowlist has hosts: {self.mode}")

    def is_within(self, other: NetworkPolicy) -> bool:
        """Whether it reaches nothing that the other one, as it is written, doesn't reach too."""
        if self.mode is NetworkMode.ALLOWLIST is other.mode:
            return set(self.allowed_hosts) <= set(other.allowed_hosts)
        return self.mode is NetworkMode.NONE or other.mode in (self.mode, NetworkMode.PUBLIC)


@dataclass(frozen=True)
class Healthcheck:
    """A shell command that must end with status 0 before the agent starts; times in seconds.

    Failures within `start_period` don't count; after it, `retries` failures in a row do.
    """

    command: str
    interval: float = 5.0
    timeout: float = 30.0
    start_period: float = 0.0
    start_interval: float = 5.0
    retries: int = 3


@dataclass(frozen=True)
class McpServer:
    """An MCP server that the agent may use: a `url`, or for `stdio` a command in the task's container."""

    name: str
    transport: Transport = "sse"
    url: str = ""
    command: str = ""
    args: tuple[str, ...] = ()
    headers: Variables = ()

    def as_table(self) -> dict[str, Any]:
        """Its description for the agent, as plain values."""
        if self.transport == "stdio":
            return {"name": self.name, "transport": self.transport, "command": self.command, "args": list(self.args)}
        headers = {"headers": dict(self.headers)} if self.headers else {}
        return {"name": self.name, "transport": self.transport, "url": self.url, **headers}


@dataclass(frozen=True)
class Environment:
    """One container's image and how commands run in it.

    Attributes:
        context: The folder with its Dockerfile, relative to the task's folder.
        docker_image: The name of a ready image, which is used instead of a Dockerfile; "" for none.
        holds_tests: The image brings its own `/tests`: the task's are not copied into it.
        build_seconds: For building (or pulling) the image, and for the container's start.
        workdir: Where commands run; "": the image's own.
        network: What it can reach, unless the phase says otherwise.
        sandbox: Its sizes; of the task's own environment they are `Task.sandbox`, as the run lets the task have them.
        composition: What its compose file says; None if it has none.
    """

    context: str = "environment"
    docker_image: str = ""
    holds_tests: bool = False
    build_seconds: float = BUILD_SECONDS
    env: Variables = ()
    workdir: str = ""
    network: NetworkPolicy = NetworkPolicy()
    sandbox: SandboxSpec = SandboxSpec()
    skills_dir: str = ""
    mcp_servers: tuple[McpServer, ...] = ()
    healthcheck: Healthcheck | None = None
    composition: Composition | None = None


@dataclass(frozen=True)
class AgentPhase:
    """How the agent works: its user ("": the image's), and its network if that differs from the environment's.

    seconds: None is unlimited.
    """

    seconds: float | None = None
    user: str = ""
    network: NetworkPolicy | None = None


@dataclass(frozen=True)
class Collect:
    """A shell command that saves state of the task's container when the agent is done. `user` "": the image's."""

    command: str
    service: str = MAIN_SERVICE
    seconds: float = COLLECT_SECONDS
    user: str = ""


@dataclass(frozen=True)
class VerifierPhase:
    """How the tests run.

    Attributes:
        user: "": the image's.
        environment: Of an ISOLATED verifier, the container that gets only `/logs/artifacts` and the declared
            artifacts; None: Evolve's own way, a fresh container with what the agent left (see `SuiteProfile`).
        network: If it differs from that of the environment in which the tests run.
        collect: Run in the agent's container after the agent, before anything is taken out of it.
    """

    seconds: float = 600.0
    mode: VerifierMode = VerifierMode.ISOLATED
    env: Variables = ()
    user: str = ""
    network: NetworkPolicy | None = None
    environment: Environment | None = None
    collect: tuple[Collect, ...] = ()

    @property
    def collect_seconds(self) -> float:
        """How long saving state takes at most."""
        return sum(hook.seconds for hook in self.collect)


@dataclass(frozen=True)
class Artifact:
    """A file or folder that is kept after the agent: `source` in the container, `destination` relative to artifacts.

    destination: "": derived from the source. exclude: patterns for tar.
    """

    source: str
    destination: str = ""
    exclude: tuple[str, ...] = ()
    service: str = MAIN_SERVICE


@dataclass(frozen=True)
class Step:
    """One step of a task: its own instruction, tests and solution in `folder`, relative to the task's folder.

    Attributes:
        min_reward: Pairs of a reward's name and the least value with which the next step begins.
        solved: Whether the step has a reference solution.
        tests: Folders whose files make up `/tests`, relative to the task's folder, later ones over earlier ones.
    """

    name: str
    folder: str
    instruction: str
    agent: AgentPhase = AgentPhase()
    verifier: VerifierPhase = VerifierPhase()
    min_reward: tuple[tuple[str, float], ...] = ()
    healthcheck: Healthcheck | None = None
    artifacts: tuple[Artifact, ...] = ()
    solved: bool = True
    tests: tuple[str, ...] = ("tests",)


@dataclass(frozen=True)
class Networks:
    """What each phase of a task can reach.

    setup: also health checks, and what is collected after the agent; tests: unless they have an environment of their
    own.
    """

    setup: NetworkPolicy
    agent: NetworkPolicy
    tests: NetworkPolicy


@dataclass(frozen=True)
class TaskFormat:
    """What the task's folder says beyond the fields of `Task`. The defaults are those of a strict task.

    Attributes:
        harbor: The task is read with Harbor's defaults: an absent key means what it means there.
        solved: Whether the task (or one of its steps) has a reference solution.
        solution_env: For the reference solution alone.
        unsolved: The host's variable without which the reference solution can't run.
        tests: Folders whose files make up `/tests`, later ones over earlier ones; solution: that of the reference
            solution. Both are relative to the task's folder.
        steps: Empty for a task of one step, which has its files in the task's own folder.
        warnings: Lines about keys that are not known.
        reward: How the number that the tests write becomes a reward; None: as it stands.
    """

    harbor: bool = False
    environment: Environment = Environment()
    agent: AgentPhase = AgentPhase()
    verifier: VerifierPhase = VerifierPhase()
    solved: bool = True
    solution_env: Variables = ()
    unsolved: str = ""
    tests: tuple[str, ...] = ("tests",)
    solution: str = "solution"
    artifacts: tuple[Artifact, ...] = ()
    steps: tuple[Step, ...] = ()
    strategy: RewardStrategy = RewardStrategy.MEAN
    warnings: tuple[str, ...] = ()
    reward: RewardScale | None = None


def phase_networks(format: TaskFormat, default: bool) -> Networks:
    """What each phase can reach. Whether there is a public network is up to `default` if no phase says anything."""
    agent, verifier, base = format.agent.network, format.verifier.network, format.environment.network
    if agent is None and verifier is None and base.mode is not NetworkMode.ALLOWLIST:
        base = NetworkPolicy(NetworkMode.PUBLIC if default else NetworkMode.NONE)
    return Networks(base, agent or base, verifier or base)


def needs_network(format: TaskFormat, default: bool) -> bool:
    """Whether the task's own container has a public network in any phase of any step."""
    return NetworkMode.PUBLIC in _modes(format, default)


def has_allowlist(format: TaskFormat) -> bool:
    """Whether any container of the task has an allowlist, in any phase of any step."""
    return NetworkMode.ALLOWLIST in _all_modes(format, default=False)


def listed_hosts(format: TaskFormat) -> tuple[str, ...]:
    """The hosts of all allowlists of the task, in any phase of any step, sorted."""
    phases = (format.verifier, *(step.verifier for step in format.steps))
    environments = (format.environment, *(phase.environment for phase in phases if phase.environment is not None))
    agents = (format.agent, *(step.agent for step in format.steps))
    policies = [
        *(environment.network for environment in environments),
        *(agent.network for agent in agents),
        *(phase.network for phase in phases),
    ]
    return tuple(sorted({host for policy in policies if policy is not None for host in policy.allowed_hosts}))


def widest_network(format: TaskFormat, default: bool) -> NetworkMode:
    """The mode of that phase of any of the task's containers which reaches most."""
    modes = _all_modes(format, default)
    return next(mode for mode in (NetworkMode.PUBLIC, NetworkMode.ALLOWLIST, NetworkMode.NONE) if mode in modes)


def _all_modes(format: TaskFormat, default: bool) -> set[NetworkMode]:
    """Those of all phases of all steps, and of the verifiers' own containers."""
    phases = (format.verifier, *(step.verifier for step in format.steps))
    own = {(phase.network or phase.environment.network).mode for phase in phases if phase.environment is not None}
    return _modes(format, default) | own


def _modes(format: TaskFormat, default: bool) -> set[NetworkMode]:
    """The modes of all phases of all steps."""
    steps = [replace(format, agent=step.agent, verifier=step.verifier) for step in format.steps]
    networks = [phase_networks(one, default) for one in steps or [format]]
    return {policy.mode for one in networks for policy in (one.setup, one.agent, one.tests)}


def image_source(environment: Environment) -> str:
    """The Dockerfile of an environment that has no ready image, relative to the task's folder."""
    build = environment.composition.main.build if environment.composition else None
    return f"{build.context}/{build.dockerfile}" if build else f"{environment.context}/Dockerfile"


def without_network(format: TaskFormat) -> TaskFormat:
    """The same without any network, as a run may ask for."""
    steps = (
        replace(step, agent=_offline_agent(step.agent), verifier=_offline_verifier(step.verifier))
        for step in format.steps
    )
    return replace(
        format,
        environment=_offline(format.environment),
        agent=_offline_agent(format.agent),
        verifier=_offline_verifier(format.verifier),
        steps=tuple(steps),
    )


def _offline(environment: Environment) -> Environment:
    return replace(environment, network=NetworkPolicy(), sandbox=replace(environment.sandbox, network=False))


def _offline_agent(phase: AgentPhase) -> AgentPhase:
    return replace(phase, network=None)


def _offline_verifier(phase: VerifierPhase) -> VerifierPhase:
    return replace(phase, network=None, environment=_offline(phase.environment) if phase.environment else None)


def template_name(value: str) -> str | None:
    """The variable of the host that a value names, if all of it is `${NAME}` or `${NAME:-default}`."""
    match = _TEMPLATE.fullmatch(value)
    return match[1] if match else None


def resolve_variables(variables: Variables, host: Mapping[str, str]) -> dict[str, str]:
    """Put the host's values into templates. Raises KeyError for a variable that the host lacks and has no default."""
    resolved = {}
    for name, value in variables:
        match = _TEMPLATE.fullmatch(value)
        if match is None:
            resolved[name] = value
        elif match[2] is not None:
            resolved[name] = host.get(match[1], match[2])
        else:
            resolved[name] = host[match[1]]
    return resolved


def has_default(value: str) -> bool:
    """Whether a template says what it means if the host lacks the variable."""
    return template_default(value) is not None


def template_default(value: str) -> str | None:
    """What a template means if the host lacks the variable; None if it doesn't say so, or the value is no template."""
    match = _TEMPLATE.fullmatch(value)
    return match[2] if match else None
