"""The engine's options for one service of a compose file: mounts, limits, networks, and files that it may change."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from docker.types import Mount, Ulimit

from evolve.core.composition import MountKind, Service, ServiceHealth, ServiceMount
from evolve.core.instances import FileContent
from evolve.core.task_format import MAIN_SERVICE
from evolve.sandbox.archive import pack, pack_files
from evolve.sandbox.engine import connect
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.resources import TrialResources

# Its server answers to nobody: a container that is never connected asks no server of the host's for names.
NO_SERVER = "127.0.0.1"
NO_PATIENCE = ["timeout:1", "attempts:1"]
NANOSECONDS = 1_000_000_000
LOG_FOLDER = "/logs"


@dataclass
class Shared:
    """What the services of one trial share.

    Attributes:
        networks: The engine's names of the networks by those of the file.
        prefix: The beginning of the names of the trial's volumes.
        labels: Of the volumes.
        logs: Folders of `/logs` that a service mounts.
        filled: Volumes that have their files.
        connects: Whether services may reach what is outside in some phase.
    """

    networks: Mapping[str, str]
    prefix: str
    labels: Mapping[str, str]
    logs: frozenset[str]
    connects: bool
    filled: set[str] = field(default_factory=set)

    def volume(self, mount: ServiceMount) -> str:
        """The engine's name of a volume."""
        return f"{self.prefix}-{mount.kind}-{posixpath.normpath(mount.source).strip('/').replace('/', '.')}"


class Fillable(Protocol):
    id: str

    def put(self, archive: bytes | IO[bytes], folder: str = "/") -> None: ...


@dataclass(frozen=True)
class ServiceOptions:
    """The options of a service. shared: None for a container that has no services beside it."""

    service: Service
    shared: Shared | None
    resources: TrialResources | None

    def mounts(self) -> list[Mount]:
        """The mounts of volumes and files; `main` has those folders of `/logs` that others mount."""
        own = [mount for mount in self.service.mounts if mount.kind is not MountKind.MEMORY]
        if self.service.name == MAIN_SERVICE:
            own = [mount for mount in own if mount.target != f"{LOG_FOLDER}/{mount.source}"]
            own += [
                ServiceMount(MountKind.LOGS, f"{LOG_FOLDER}/{name}", name)
                for name in sorted(self.shared.logs if self.shared else ())
            ]
        return [made for mount in own if (made := self._mount(mount)) is not None]

    def _mount(self, mount: ServiceMount) -> Mount | None:
        if mount.kind is MountKind.FILES and mount.read_only and self.resources is not None:
            copy = self.resources.copy_files(Path(mount.source))
            return Mount(mount.target, str(copy), type="bind", read_only=True)
        if mount.kind is MountKind.FILES and Path(mount.source).is_file():
            return None  # a volume is a folder: `complete` puts the file into the container
        named = self.shared is not None and bool(mount.source)
        source = self.shared.volume(mount) if self.shared and named else None
        read_only = mount.read_only and mount.kind is not MountKind.FILES
        labels = dict(self.shared.labels) if self.shared else None
        return Mount(mount.target, source, type="volume", read_only=read_only, labels=labels)

    def host(self) -> dict[str, Any]:
        """Options of the engine's HostConfig, beside the limits that all containers have."""
        one = self.service
        options: dict[str, Any] = {
            "tmpfs": {mount.target: _memory(mount) for mount in one.mounts if mount.kind is MountKind.MEMORY},
            "cap_add": list(one.cap_add) or None,
            "cap_drop": list(one.cap_drop) or None,
            "sysctls": dict(one.sysctls) or None,
            "extra_hosts": [f"{name}:{address}" for name, address in one.extra_hosts] or None,
            "read_only": one.read_only or None,
        }
        if one.shm_bytes:
            options["shm_size"] = one.shm_bytes
        if one.isolated:
            options["network_mode"] = "none"
        elif self.shared is not None:
            options["network_mode"] = self.shared.networks[one.networks[0][0]]
            if not self.shared.connects:
                options |= {"dns": [NO_SERVER], "dns_opt": NO_PATIENCE}
        return {name: value for name, value in options.items() if value is not None}

    def limited(self, host: dict[str, Any]) -> dict[str, Any]:
        """A HostConfig with the service's own limits; those that every container has stay."""
        kept = list(host.get("Ulimits") or ())
        names = {limit["Name"] for limit in kept}
        own = [
            Ulimit(name=name, soft=soft, hard=hard) for name, soft, hard in self.service.ulimits if name not in names
        ]
        return {**host, "Ulimits": [*kept, *own]}

    def options(self, alias: str) -> dict[str, Any]:
        """Options of a container's creation. `alias`: its name in its networks."""
        options: dict[str, Any] = {}
        if self.service.hostname:
            options["hostname"] = self.service.hostname
        if self.service.health is not None:
            options["healthcheck"] = _health(self.service.health)
        if self.shared is not None and not self.service.isolated:
            first, names = self.service.networks[0]
            network = connect().api.create_endpoint_config(aliases=[alias, *names])
            networks: Any = {self.shared.networks[first]: network}
            options["networking_config"] = connect().api.create_networking_config(networks)
        return options

    def complete(self, container: Fillable) -> None:
        """Give a container that is not started its further networks and its files. Raises InfraError."""
        if self.shared is not None and not self.service.isolated:
            for name, aliases in self.service.networks[1:]:
                with engine_faults():
                    connect().api.connect_container_to_network(
                        container.id, self.shared.networks[name], aliases=[self.service.name, *aliases]
                    )
        for mount in self.service.mounts:
            if mount.kind is MountKind.FILES and not (mount.read_only and self.resources is not None):
                self._fill(container, mount)

    def _fill(self, container: Fillable, mount: ServiceMount) -> None:
        source = Path(mount.source)
        if source.is_file():
            content = FileContent(source.read_bytes(), bool(source.stat().st_mode & 0o100))
            container.put(pack_files({mount.target.lstrip("/"): content}))
            return
        name = self.shared.volume(mount) if self.shared else mount.target
        filled = self.shared.filled if self.shared else set()
        if source.is_dir() and name not in filled:
            filled.add(name)
            container.put(pack(source), mount.target)


def _memory(mount: ServiceMount) -> str:
    size = f",size={mount.bytes}" if mount.bytes else ""
    return f"rw,nosuid,nodev{size}"


def _health(check: ServiceHealth) -> dict[str, Any]:
    test = {"test": list(check.test)} if check.test else {}
    if check.test == ("NONE",):
        return test
    times = {"interval": check.interval, "timeout": check.timeout, "start_period": check.start_period}
    return {**test, **{name: int(value * NANOSECONDS) for name, value in times.items()}, "retries": check.retries}
