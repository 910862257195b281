"""The tables of `task.toml` as Harbor's format has them. What they allow is more than what Evolve does: see `keys`."""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator

from evolve.core.task_format import BUILD_SECONDS, COLLECT_SECONDS, MAIN_SERVICE, NetworkMode, RewardStrategy, Transport
from evolve.suite.hosts import normal_host
from evolve.suite.reward_table import RewardTable

REWARD = "reward"
STEP_NAME = re.compile(r"[^<>:\"/\\|?*\x00-\x1f\x7f]+")
SERVICE = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$"
VARIABLE = re.compile(r"[^=\0]+")
SIZE = re.compile(r"\s*((?:\d+\.?\d*|\.\d+)(?:e\+?\d{1,2})?)\s*([KMGT])(?:i?B)?\s*", flags=re.IGNORECASE)
STEP_NAME_BYTES = 255


class Table(BaseModel):
    """A table of the format. Keys that it doesn't have are reported by `keys.unknown_keys`."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


def _megabytes_of(key: str, size: object) -> int:
    """Convert a size such as `2G`, `.5G`, `512M` or `1048576K` to MB; the unit is required."""
    match = SIZE.fullmatch(str(size))
    if match is None:
        raise ValueError(f"{key} must be a size such as '2G' or '512M'")
    return int(float(match[1]) * 1024.0 ** ("KMGT".index(match[2].upper()) - 1))


class _Served(Table):
    """A table with the user of its commands."""

    user: str | None = Field(None, pattern=r"^[^\s/]*$")

    @field_validator("user", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """A user is a name or a number."""
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class _Varied(Table):
    """A table with variables."""

    env: dict[str, str] = Field(default_factory=dict)

    @field_validator("env")
    @classmethod
    def _possible(cls, values: dict[str, str]) -> dict[str, str]:
        for name, value in values.items():
            if not VARIABLE.fullmatch(name) or "\0" in value:
                raise ValueError(f"{name!r} can't be a variable with this value")
        return values


class _Network(Table):
    """`network_mode`, and the hosts of an allowlist."""

    network_mode: NetworkMode | None = None
    allowed_hosts: tuple[str, ...] | None = None

    @field_validator("allowed_hosts")
    @classmethod
    def _normal(cls, hosts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if hosts is None else tuple(map(normal_host, hosts))

    @model_validator(mode="after")
    def _has_hosts_only_as_allowlist(self) -> Self:
        if self.network_mode is not NetworkMode.ALLOWLIST and self.allowed_hosts:
            raise ValueError("allowed_hosts needs network_mode = 'allowlist'")
        return self


class McpServerTable(Table):
    name: str
    transport: Transport = "sse"
    url: str | None = None
    command: str | None = None
    args: tuple[str, ...] = ()
    headers: dict[str, str] = Field(default_factory=dict)

    @field_validator("transport", mode="before")
    @classmethod
    def _accept_http(cls, value: object) -> object:
        return "streamable-http" if value == "http" else value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        needed = "command" if self.transport == "stdio" else "url"
        if not getattr(self, needed):
            raise ValueError(f"transport {self.transport} needs `{needed}`")
        if self.transport == "stdio" and self.headers:
            raise ValueError("transport stdio has no `headers`")
        return self


class HealthcheckTable(Table):
    command: str
    interval_sec: float = Field(5.0, ge=0)
    timeout_sec: float = Field(30.0, gt=0)
    start_period_sec: float = Field(0.0, ge=0)
    start_interval_sec: float = Field(5.0, ge=0)
    retries: int = Field(3, ge=0)


class TpuTable(Table):
    type: str = Field(min_length=1)
    topology: str


class EnvironmentTable(_Network, _Varied):
    build_timeout_sec: float = Field(BUILD_SECONDS, gt=0)
    docker_image: str | None = None
    os: str = "linux"
    cpus: float | None = Field(None, gt=0)
    memory_mb: int | None = Field(None, ge=32)
    storage_mb: int | None = Field(None, ge=8)
    gpus: int | None = None
    gpu_types: tuple[str, ...] | None = None
    tpu: TpuTable | None = None
    workdir: str | None = None
    skills_dir: str | None = None
    mcp_servers: tuple[McpServerTable, ...] = ()
    healthcheck: HealthcheckTable | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_older_keys(cls, values: Any) -> Any:
        """Accept `memory = "2G"`, `storage` and `allow_internet`; the newer keys take precedence."""
        if not isinstance(values, dict):
            return values
        older: dict[str, object] = {}
        for key in ("memory", "storage"):
            if key in values:
                older[f"{key}_mb"] = _megabytes_of(key, values[key])
        if values.get("allow_internet") is not None and values.get("allowed_hosts") is None:
            is_public = TypeAdapter(bool).validate_python(values["allow_internet"])
            older["network_mode"] = NetworkMode.PUBLIC if is_public else NetworkMode.NONE
        return older | values

    @field_validator("os", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("os")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ("linux", "windows"):
            raise ValueError("must be linux or windows")
        return value

    @field_validator("workdir")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value and not value.startswith("/"):
            raise ValueError("must be an absolute path")
        return value


class AgentTable(_Network, _Served):
    timeout_sec: float | None = Field(None, gt=0)


class CollectTable(_Served):
    command: str
    service: str = Field(MAIN_SERVICE, pattern=SERVICE)
    timeout_sec: float = Field(COLLECT_SECONDS, gt=0)


class VerifierTable(_Network, _Varied, _Served):
    """`environment_mode`: Harbor knows `shared` and `separate`; `live` and `isolated` are Evolve's own."""

    timeout_sec: float = Field(600.0, gt=0)
    environment_mode: Literal["shared", "separate", "live", "isolated"] | None = None
    environment: EnvironmentTable | None = None
    collect: tuple[CollectTable, ...] = ()

    @model_validator(mode="after")
    def _has_environment_only_if_separate(self) -> Self:
        if self.environment is not None and self.environment_mode not in (None, "separate"):
            raise ValueError(f"environment_mode = '{self.environment_mode}' has no [verifier.environment]")
        return self


class ArtifactTable(Table):
    source: str = Field(min_length=1)
    destination: str | None = None
    exclude: tuple[str, ...] = ()
    service: str | None = Field(None, pattern=SERVICE)

    @model_validator(mode="before")
    @classmethod
    def _accept_text(cls, value: Any) -> Any:
        """A path alone is the source."""
        return {"source": value} if isinstance(value, str) else value

    @field_validator("source", "destination")
    @classmethod
    def _inside(cls, value: str | None) -> str | None:
        if value and ".." in PurePosixPath(value).parts:
            raise ValueError("must not contain '..'")
        return value

    @field_validator("destination")
    @classmethod
    def _relative(cls, value: str | None) -> str | None:
        if value and (value.startswith("/") or "\\" in value or value.rstrip("/") in (".", "manifest.json")):
            raise ValueError("must be a relative path with forward slashes, and not manifest.json")
        return value or None


class StepTable(Table):
    name: str
    agent: AgentTable = Field(default_factory=AgentTable)
    verifier: VerifierTable = Field(default_factory=VerifierTable)
    min_reward: dict[str, float] | None = None
    healthcheck: HealthcheckTable | None = None
    artifacts: tuple[ArtifactTable, ...] = ()

    @field_validator("min_reward", mode="before")
    @classmethod
    def _by_reward(cls, value: object) -> object:
        """One number is for the reward named `reward`."""
        return (
            value if value is None or isinstance(value, dict) else {REWARD: TypeAdapter(float).validate_python(value)}
        )

    @field_validator("name")
    @classmethod
    def _is_folder_name(cls, value: str) -> str:
        too_long = len(value.encode()) > STEP_NAME_BYTES
        if too_long or not STEP_NAME.fullmatch(value) or value.endswith((".", " ")):
            raise ValueError("must be the name of a folder")
        return value


class SolutionTable(_Varied):
    """Of the reference solution."""


class AuthorTable(Table):
    name: str
    email: str | None = None


class PackageTable(Table):
    name: str
    version: str | None = None
    description: str = ""
    authors: tuple[AuthorTable, ...] = ()
    keywords: tuple[str, ...] = ()


class OwnTable(Table):
    """What is Evolve's own."""

    reward: RewardTable | None = None


class MetadataTable(Table):
    """Free; Evolve reads four keys."""

    difficulty: str = "unknown"
    category: str = ""
    tags: tuple[str, ...] = ()
    evolve: OwnTable = OwnTable()

    @field_validator("evolve", mode="before")
    @classmethod
    def _as_table(cls, value: object) -> object:
        return value if isinstance(value, dict) else {}

    @field_validator("category", mode="before")
    @classmethod
    def _as_word(cls, value: object) -> object:
        return value if isinstance(value, str) else ""

    @field_validator("tags", mode="before")
    @classmethod
    def _as_words(cls, value: object) -> object:
        return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list | tuple) else ()

    @field_validator("difficulty", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
            return "unknown"
        return f"{value:g}" if isinstance(value, float) else str(value) if isinstance(value, int | str) else "unknown"


class TaskTable(Table):
    """The whole of `task.toml`."""

    schema_version: str | float | int = "1.4"
    source: str | None = None
    task: PackageTable | None = None
    metadata: MetadataTable = MetadataTable()
    environment: EnvironmentTable = Field(default_factory=EnvironmentTable)
    agent: AgentTable = Field(default_factory=AgentTable)
    verifier: VerifierTable = Field(default_factory=VerifierTable)
    solution: SolutionTable = Field(default_factory=SolutionTable)
    artifacts: tuple[ArtifactTable, ...] = ()
    steps: tuple[StepTable, ...] | None = None
    multi_step_reward_strategy: RewardStrategy | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_version(cls, values: Any) -> Any:
        """`version` is the older name of `schema_version`."""
        return {"schema_version": values["version"]} | values if "version" in values else values

    @field_validator("steps")
    @classmethod
    def _named_once(cls, steps: tuple[StepTable, ...] | None) -> tuple[StepTable, ...] | None:
        names = [step.name.casefold() for step in steps or ()]
        if len(set(names)) < len(names):
            raise ValueError("two steps have the same name")
        return steps
