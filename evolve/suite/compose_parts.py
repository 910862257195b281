"""The values of a service's keys: its build, its limits, its variables, its health check. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from evolve.core.composition import Pairs, ServiceBuild, ServiceHealth
from evolve.suite.compose_keys import BUILD_HARMLESS, CAPABILITIES, DEPLOY_HARMLESS
from evolve.suite.compose_place import Place
from evolve.suite.compose_values import (
    list_of,
    megabytes_of,
    number_of,
    pairs_of,
    seconds_of,
    text_of,
    truth_of,
    whole_of,
)


def build_of(value: object, place: Place) -> ServiceBuild | None:
    """How an image is built; None if it isn't. Raises ValueError, as all of these do."""
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


def variables_of(value: object) -> Pairs:
    """The variables of a container; those without a value would be the host's, and are left out."""
    return tuple((name, one) for name, one in pairs_of(value).items() if one is not None)


def deployed_limits(value: object) -> tuple[float | None, int | None, int | None]:
    """The limits of processors, memory in MB, and processes; None where there is none."""
    table = table_of(value)
    unknown = sorted(set(map(str, table)) - {"resources", "replicas"} - DEPLOY_HARMLESS)
    if unknown:
        raise ValueError(f"`{unknown[0]}` is not supported")
    if (whole_of(table.get("replicas")) or 1) != 1:
        raise ValueError("`replicas`: there is one container for each service")
    resources = table_of(table.get("resources"))
    if table_of(resources.get("reservations")).get("devices"):
        raise ValueError("`resources.reservations.devices`: Evolve gives containers no devices")
    limits = table_of(resources.get("limits"))
    return number_of(limits.get("cpus")), megabytes_of(limits.get("memory")), pids_of(limits.get("pids"))


def table_of(value: object) -> Mapping[str, Any]:
    """A table; an empty one for a null."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError("must be a table")
    return value


def pids_of(value: object) -> int | None:
    """A limit of processes; None for -1 and 0, which are none."""
    number = whole_of(value) or 0
    return number if number > 0 else None


def ulimits_of(value: object) -> tuple[tuple[str, int, int], ...]:
    """Limits of each process: name, soft and hard."""
    limits = []
    for name, one in table_of(value).items():
        both = one if isinstance(one, Mapping) else {"soft": one, "hard": one}
        soft, hard = whole_of(both.get("soft")), whole_of(both.get("hard"))
        if soft is None or hard is None:
            raise ValueError(f"`{name}` needs `soft` and `hard`")
        # No container writes core dumps. Processes are counted by user, also in other containers: `pids_limit` holds.
        if name not in ("core", "nproc"):
            limits.append((str(name), soft, hard))
    return tuple(limits)


def sysctls_of(value: object) -> Pairs:
    """Settings of the kernel for the container's own network."""
    pairs = tuple((name, one or "") for name, one in pairs_of(value).items())
    for name, _ in pairs:
        if not name.startswith("net."):
            raise ValueError(f"`{name}` is not supported; only those of the container's own network are")
    return pairs


def hosts_of(value: object) -> Pairs:
    """Names and addresses; the host itself is not reachable by a name."""
    pairs = tuple((name, (one or "").strip("[]")) for name, one in pairs_of(value, "=:").items())
    for name, address in pairs:
        if address == "host-gateway":
            raise ValueError(f"`{name}:host-gateway` is not supported: it would reach the host")
    return pairs


def capabilities_of(value: object) -> tuple[str, ...]:
    """Capabilities that a container may have in addition."""
    names = tuple(text_of(one).upper().removeprefix("CAP_") for one in list_of(value))
    for name in names:
        if name not in CAPABILITIES:
            raise ValueError(f"`{name}` is not supported: it would reach the host or other trials")
    return names


def health_of(value: object) -> ServiceHealth | None:
    """The health check; None: the image's own, if it has one."""
    table = table_of(value)
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
