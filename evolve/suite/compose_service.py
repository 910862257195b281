"""One service of a compose file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from evolve.core.composition import (
    DEFAULT_NETWORK,
    Condition,
    Pairs,
    Service,
    ServiceBuild,
    ServiceMount,
)
from evolve.core.task_format import MAIN_SERVICE
from evolve.suite.compose_files import SharedFiles, mounts_of_files, variables_of_files
from evolve.suite.compose_keys import (
    ALLOWED,
    HARMLESS,
    READ,
    reason,
)
from evolve.suite.compose_mounts import read_mounts
from evolve.suite.compose_parts import (
    build_of,
    capabilities_of,
    deployed_limits,
    health_of,
    hosts_of,
    pids_of,
    sysctls_of,
    table_of,
    ulimits_of,
    variables_of,
)
from evolve.suite.compose_place import Place as Place
from evolve.suite.compose_values import (
    bytes_of,
    list_of,
    megabytes_of,
    number_of,
    text_of,
    truth_of,
    words_of,
)

Value = TypeVar("Value")


class BadService(ValueError):
    """A service can't be run as the file says."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"service `{name}` {problem}")


@dataclass(frozen=True)
class _Reader:
    """Reads the keys of one service; an error names service and key."""

    name: str
    table: Mapping[str, Any]

    def get(self, key: str, read: Callable[[Any], Value]) -> Value:
        try:
            return read(self.table.get(key))
        except ValueError as error:
            raise BadService(self.name, f"key `{key}`: {error}") from error

    def text(self, key: str) -> str:
        return self.get(key, lambda value: "" if value is None else text_of(value))


@dataclass(frozen=True)
class Declared:
    """What a file declares beside its services: names of networks and volumes, files, and values of variables."""

    networks: Collection[str]
    volumes: Collection[str]
    files: SharedFiles
    values: Mapping[str, str]


def read_service(name: str, table: object, place: Place, declared: Declared) -> Service:
    """Read one service. Raises BadService."""
    if not isinstance(table, Mapping):
        raise BadService(name, "is no table")
    _refuse(name, table)
    own = _Reader(name, table)
    limits = own.get("deploy", deployed_limits)
    return Service(
        name=name,
        image=_image(own.text("image"), place),
        build=own.get("build", lambda value: build_of(value, place)) or _image_of_main(own, place),
        entrypoint=own.get("entrypoint", words_of),
        command=own.get("command", words_of),
        env=_variables(own, place, declared),
        workdir=own.text("working_dir"),
        user=own.text("user"),
        hostname=own.text("hostname"),
        cpus=own.get("cpus", number_of) or limits[0],
        memory_mb=own.get("mem_limit", megabytes_of) or limits[1],
        pids=own.get("pids_limit", pids_of) or limits[2],
        shm_bytes=own.get("shm_size", bytes_of),
        ulimits=own.get("ulimits", ulimits_of),
        sysctls=own.get("sysctls", sysctls_of),
        extra_hosts=own.get("extra_hosts", hosts_of),
        cap_add=own.get("cap_add", capabilities_of),
        cap_drop=own.get("cap_drop", lambda value: tuple(text_of(one) for one in list_of(value))),
        read_only=own.get("read_only", lambda value: _writable_main(value, name)),
        mounts=_mounts(own, place, declared),
        health=own.get("healthcheck", health_of),
        networks=_joined(own, declared.networks),
        isolated=own.get("network_mode", _is_isolated),
        depends=_depends(own),
        restarts=own.text("restart").partition(":")[0] in ("always", "on-failure", "unless-stopped"),
        stop_signal=own.text("stop_signal"),
    )


def _variables(own: _Reader, place: Place, declared: Declared) -> Pairs:
    """The variables of the files, and over them those of the service itself."""
    of_files = own.get("env_file", lambda value: variables_of_files(value, place, declared.values))
    return tuple({**dict(of_files), **dict(own.get("environment", variables_of))}.items())


def _mounts(own: _Reader, place: Place, declared: Declared) -> tuple[ServiceMount, ...]:
    mounts = own.get("volumes", lambda value: read_mounts(value, own.table.get("tmpfs"), place, declared.volumes))
    kind = "secrets" if own.table.get("secrets") else "configs"
    return (*mounts, *own.get(kind, lambda _: mounts_of_files(own.table, declared.files, place)))


def _refuse(name: str, table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if key in READ or key in HARMLESS or str(key).startswith("x-") or value is None:
            continue
        if not any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in ALLOWED.get(key, ())):
            raise BadService(name, f"has the key `{key}`, which is not supported{reason(str(key))}")


def _image(image: str, place: Place) -> str:
    """A ready image; that of `main` is made from the folder, whatever name it gets there."""
    return "" if image == place.main_image else image


def _image_of_main(own: _Reader, place: Place) -> ServiceBuild | None:
    """How a service is built that has the image of `main`."""
    is_other = own.name != MAIN_SERVICE and own.text("image") == place.main_image
    return ServiceBuild(place.context) if is_other else None


def _writable_main(value: object, name: str) -> bool:
    if truth_of(value) and name == MAIN_SERVICE:
        raise ValueError("the agent's container must be writable")
    return truth_of(value)


def _is_isolated(value: object) -> bool:
    mode = "" if value is None else text_of(value)
    if mode not in ("", "bridge", "default", "none"):
        raise ValueError(f"`{mode}` is not supported; services are in networks of the trial")
    return mode == "none"


def _joined(own: _Reader, networks: Collection[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The networks of a service, with its further names in each: its container's name too."""
    value = own.table.get("networks")
    tables = dict.fromkeys(map(text_of, value)) if isinstance(value, list) else own.get("networks", table_of)
    container = own.text("container_name")
    joined = []
    for name, table in (tables or {DEFAULT_NETWORK: None}).items():
        if name not in networks:
            raise BadService(own.name, f"is in the network `{name}`, which the file doesn't declare")
        entries = own.get("networks", lambda _, one=table: table_of(one))  # type: ignore[misc]
        unknown = sorted(set(map(str, entries)) - {"aliases", "priority"})
        if unknown:
            raise BadService(own.name, f"has the key `networks.{name}.{unknown[0]}`, which is not supported")
        aliases = [text_of(one) for one in list_of(entries.get("aliases"))]
        joined.append((str(name), tuple(dict.fromkeys([*([container] if container else []), *aliases]))))
    return tuple(joined)


def _depends(own: _Reader) -> tuple[tuple[str, Condition], ...]:
    value = own.table.get("depends_on")
    named = dict.fromkeys(own.get("links", lambda one: list(_links(one))), Condition.STARTED)
    if isinstance(value, list):
        return tuple((named | dict.fromkeys(map(text_of, value), Condition.STARTED)).items())
    for name, table in own.get("depends_on", table_of).items():
        entries = own.get("depends_on", lambda _, one=table: table_of(one))  # type: ignore[misc]
        try:
            named[str(name)] = Condition(entries.get("condition") or Condition.STARTED)
        except ValueError as error:
            raise BadService(own.name, f"key `depends_on.{name}.condition`: {error}") from error
    return tuple(named.items())


def _links(value: object) -> Iterator[str]:
    for link in map(text_of, list_of(value)):
        service, _, alias = link.partition(":")
        if alias not in ("", service):
            raise ValueError(f"`{link}` is not supported; use the service's name")
        yield service
