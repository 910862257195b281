"""One service of a compose file."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from evolve.core.composition import (
    DEFAULT_NETWORK,
    Condition,
    Pairs,
    Service,
    ServiceBuild,
    ServiceHealth,
)
from evolve.core.task_format import MAIN_SERVICE
from evolve.suite.compose_keys import (
    ALLOWED,
    BUILD_HARMLESS,
    CAPABILITIES,
    DEPLOY_HARMLESS,
    HARMLESS,
    READ,
    reason,
)
from evolve.suite.compose_mounts import read_mounts
from evolve.suite.compose_place import Place as Place
from evolve.suite.compose_values import (
    bytes_of,
    list_of,
    megabytes_of,
    number_of,
    pairs_of,
    seconds_of,
    text_of,
    truth_of,
    whole_of,
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


def read_service(
    name: str, table: object, place: Place, networks: Collection[str], volumes: Collection[str]
) -> Service:
    """Read one service. Raises BadService.

    Args:
        networks: The names of all networks of the file, and `volumes`: of all volumes.
    """
    if not isinstance(table, Mapping):
        raise BadService(name, "is no table")
    _refuse(name, table)
    own = _Reader(name, table)
    limits = own.get("deploy", _deployed)
    return Service(
        name=name,
        image=_image(own.text("image"), place),
        build=own.get("build", lambda value: _build(value, place)) or _image_of_main(own, place),
        entrypoint=own.get("entrypoint", words_of),
        command=own.get("command", words_of),
        env=own.get("environment", _variables),
        workdir=own.text("working_dir"),
        user=own.text("user"),
        hostname=own.text("hostname"),
        cpus=own.get("cpus", number_of) or limits[0],
        memory_mb=own.get("mem_limit", megabytes_of) or limits[1],
        pids=own.get("pids_limit", _pids) or limits[2],
        shm_bytes=own.get("shm_size", bytes_of),
        ulimits=own.get("ulimits", _ulimits),
        sysctls=own.get("sysctls", _sysctls),
        extra_hosts=own.get("extra_hosts", _hosts),
        cap_add=own.get("cap_add", _capabilities),
        cap_drop=own.get("cap_drop", lambda value: tuple(text_of(one) for one in list_of(value))),
        read_only=own.get("read_only", lambda value: _writable_main(value, name)),
        mounts=own.get("volumes", lambda value: read_mounts(value, own.table.get("tmpfs"), place, volumes)),
        health=own.get("healthcheck", _health),
        networks=_joined(own, networks),
        isolated=own.get("network_mode", _is_isolated),
        depends=_depends(own),
        restarts=own.text("restart").partition(":")[0] in ("always", "on-failure", "unless-stopped"),
        stop_signal=own.text("stop_signal"),
    )


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


def _build(value: object, place: Place) -> ServiceBuild | None:
    if value is None:
        return None
    table = value if isinstance(value, Mapping) else {"context": value}
    unknown = sorted(set(map(str, table)) - {"context", "dockerfile", "args"} - BUILD_HARMLESS)
    if unknown:
        raise ValueError(f"`{unknown[0]}` is not supported")
    context = place.inside(text_of(table.get("context") or "."))
    dockerfile = posixpath.normpath(text_of(table.get("dockerfile") or "Dockerfile"))
    if dockerfile.startswith(("/", "..")):
        raise ValueError("`dockerfile` must be a file in the context")
    arguments = tuple((name, one) for name, one in pairs_of(table.get("args")).items() if one is not None)
    return ServiceBuild(context, dockerfile, arguments)


def _variables(value: object) -> Pairs:
    """The variables of a container; those without a value would be the host's, and are left out."""
    return tuple((name, one) for name, one in pairs_of(value).items() if one is not None)


def _deployed(value: object) -> tuple[float | None, int | None, int | None]:
    """Processors, memory and processes."""
    table = _table(value)
    unknown = sorted(set(map(str, table)) - {"resources", "replicas"} - DEPLOY_HARMLESS)
    if unknown:
        raise ValueError(f"`{unknown[0]}` is not supported")
    if (whole_of(table.get("replicas")) or 1) != 1:
        raise ValueError("`replicas`: there is one container for each service")
    resources = _table(table.get("resources"))
    if _table(resources.get("reservations")).get("devices"):
        raise ValueError("`resources.reservations.devices`: Evolve gives containers no devices")
    limits = _table(resources.get("limits"))
    return number_of(limits.get("cpus")), megabytes_of(limits.get("memory")), _pids(limits.get("pids"))


def _table(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError("must be a table")
    return value


def _pids(value: object) -> int | None:
    """A limit of processes; None for -1 and 0, which are none."""
    number = whole_of(value) or 0
    return number if number > 0 else None


def _ulimits(value: object) -> tuple[tuple[str, int, int], ...]:
    limits = []
    for name, one in _table(value).items():
        both = one if isinstance(one, Mapping) else {"soft": one, "hard": one}
        soft, hard = whole_of(both.get("soft")), whole_of(both.get("hard"))
        if soft is None or hard is None:
            raise ValueError(f"`{name}` needs `soft` and `hard`")
        # No container writes core dumps. Processes are counted by user, also in other containers: `pids_limit` holds.
        if name not in ("core", "nproc"):
            limits.append((str(name), soft, hard))
    return tuple(limits)


def _sysctls(value: object) -> Pairs:
    pairs = tuple((name, one or "") for name, one in pairs_of(value).items())
    for name, _ in pairs:
        if not name.startswith("net."):
            raise ValueError(f"`{name}` is not supported; only those of the container's own network are")
    return pairs


def _hosts(value: object) -> Pairs:
    """Names and addresses; the host itself is not reachable by a name."""
    pairs = tuple((name, (one or "").strip("[]")) for name, one in pairs_of(value, "=:").items())
    for name, address in pairs:
        if address == "host-gateway":
            raise ValueError(f"`{name}:host-gateway` is not supported: it would reach the host")
    return pairs


def _capabilities(value: object) -> tuple[str, ...]:
    names = tuple(text_of(one).upper().removeprefix("CAP_") for one in list_of(value))
    for name in names:
        if name not in CAPABILITIES:
            raise ValueError(f"`{name}` is not supported: it would reach the host or other trials")
    return names


def _writable_main(value: object, name: str) -> bool:
    if truth_of(value) and name == MAIN_SERVICE:
        raise ValueError("the agent's container must be writable")
    return truth_of(value)


def _health(value: object) -> ServiceHealth | None:
    table = _table(value)
    if not table:
        return None
    if truth_of(table.get("disable")):
        return ServiceHealth(("NONE",))
    default = ServiceHealth()
    retries = whole_of(table.get("retries"))
    return ServiceHealth(
        test=_test(table.get("test")),
        interval=seconds_of(table.get("interval")) or default.interval,
        timeout=seconds_of(table.get("timeout")) or default.timeout,
        start_period=seconds_of(table.get("start_period")) or default.start_period,
        retries=default.retries if retries is None else retries,
    )


def _test(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        return ("CMD-SHELL", text_of(value))
    words = tuple(map(text_of, value))
    if not words or words[0] not in ("CMD", "CMD-SHELL", "NONE"):
        raise ValueError("`test` must begin with CMD, CMD-SHELL or NONE")
    return words


def _is_isolated(value: object) -> bool:
    mode = "" if value is None else text_of(value)
    if mode not in ("", "bridge", "default", "none"):
        raise ValueError(f"`{mode}` is not supported; services are in networks of the trial")
    return mode == "none"


def _joined(own: _Reader, networks: Collection[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The networks of a service, with its further names in each: its container's name too."""
    value = own.table.get("networks")
    tables = dict.fromkeys(map(text_of, value)) if isinstance(value, list) else own.get("networks", _table)
    container = own.text("container_name")
    joined = []
    for name, table in (tables or {DEFAULT_NETWORK: None}).items():
        if name not in networks:
            raise BadService(own.name, f"is in the network `{name}`, which the file doesn't declare")
        entries = own.get("networks", lambda _, one=table: _table(one))  # type: ignore[misc]
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
    for name, table in own.get("depends_on", _table).items():
        entries = own.get("depends_on", lambda _, one=table: _table(one))  # type: ignore[misc]
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
