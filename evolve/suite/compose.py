"""Read `docker-compose.yaml` of a task: what Evolve can do exactly as written, and a refusal by name of all else.

The file is merged over what Harbor says of the service `main`: it is built from the folder of the file, and sleeps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.core.composition import Composition, Service
from evolve.core.errors import BadInput
from evolve.core.task_format import MAIN_SERVICE
from evolve.suite.compose_files import shared_files, variables_of_file
from evolve.suite.compose_keys import FILE_KEYS, reason
from evolve.suite.compose_service import BadService, Declared, Place, read_service
from evolve.suite.compose_source import Source
from evolve.suite.compose_values import text_of, truth_of
from evolve.suite.interpolation import BadTemplate, Interpolation

COMPOSE_FILE = "docker-compose.yaml"
FIX = "change the file, or leave the task out of the suite"
LOGS = {"VERIFIER_LOGS": "verifier", "AGENT_LOGS": "agent", "ARTIFACTS": "artifacts"}


@dataclass(frozen=True)
class ComposeFile:
    """What a compose file says, and lines about variables that are empty."""

    composition: Composition
    warnings: tuple[str, ...]


def read_compose(
    folder: Path, context: str, task_values: Mapping[str, str], emptied: Collection[str] = ()
) -> ComposeFile | None:
    """The compose file in a folder of a task; None if there is none. Raises BadInput, which names the key.

    Args:
        context: The folder with the file, relative to the task's.
        task_values: What the task gives its variables: its sizes and its environment.
        emptied: Variables of the host that the user leaves empty.
    """
    file = folder / context / COMPOSE_FILE
    if not file.is_file():
        return None
    place = Place(folder, context)
    try:
        given = {**dict.fromkeys(emptied, ""), **task_values, **harbor_values(place)}
        source = Source(place, Interpolation({**(variables_of_file(".env", place, given) or {}), **given}), emptied)
        document = source.read(COMPOSE_FILE)
        composition = _composition(document, place, source.filler.values)
    except (BadTemplate, BadService, ValueError) as error:
        raise BadInput(str(file), str(error).replace(f"{place.host_context}/", ""), FIX) from error
    return ComposeFile(composition, tuple(_warnings(file, source.filler.missing)))


def harbor_values(place: Place) -> dict[str, str]:
    """The variables that Harbor gives a compose file; paths of the host are names that `Place` knows."""
    values = {"CONTEXT_DIR": place.host_context, "MAIN_IMAGE_NAME": place.main_image}
    for name, folder in LOGS.items():
        values |= {f"HOST_{name}_PATH": place.host_logs(folder), f"ENV_{name}_PATH": f"/logs/{folder}"}
    return values


def _warnings(file: Path, missing: set[str]) -> Iterator[str]:
    for name in sorted(missing):
        yield f"{file}: the variable {name} is empty: no variable of the host reaches a task's containers"


def _composition(document: object, place: Place, values: Mapping[str, str]) -> Composition:
    if not isinstance(document, Mapping):
        raise ValueError("holds no services")
    unknown = sorted(str(key) for key in document if key not in FILE_KEYS and not str(key).startswith("x-"))
    if unknown:
        raise ValueError(f"key `{unknown[0]}` is not supported{reason(unknown[0])}")
    internal = _networks(document.get("networks"))
    declared = Declared(internal.keys(), _volumes(document.get("volumes")), shared_files(document), values)
    tables = document.get("services") or {}
    if not isinstance(tables, Mapping):
        raise ValueError("key `services`: must be a table")
    services = {
        str(name): read_service(str(name), {} if table is None else table, place, declared)
        for name, table in {MAIN_SERVICE: None, **tables}.items()
        if not _is_optional(name, table)
    }
    ordered = in_order(services)
    main = next(one for one in ordered if one.name == MAIN_SERVICE)
    others = tuple(one for one in ordered if one is not main)
    for one in others:
        if not one.image and one.build is None:
            raise BadService(one.name, "has neither `image` nor `build`")
    return Composition(main, others, tuple(sorted(name for name, is_internal in internal.items() if is_internal)))


def _is_optional(name: object, table: object) -> bool:
    """Whether a service is of a profile: not started unless somebody asks for it. Raises BadService for `main`."""
    if not isinstance(table, Mapping) or not table.get("profiles"):
        return False
    if name == MAIN_SERVICE:
        raise BadService(MAIN_SERVICE, "has the key `profiles`: the task's own service always runs")
    return True


def in_order(services: Mapping[str, Service]) -> list[Service]:
    """The services, each after those that it waits for. Raises BadService."""
    ordered: dict[str, Service] = {}
    left = dict(services)
    for one in services.values():
        for name, _ in one.depends:
            if name not in services:
                raise BadService(one.name, f"depends on `{name}`, which is no service of the file")
    while left:
        ready = [name for name, one in left.items() if all(other in ordered for other, _ in one.depends)]
        if not ready:
            raise BadService(next(iter(left)), "depends on itself, by way of others")
        ordered[ready[0]] = left.pop(ready[0])
    return list(ordered.values())


def _networks(value: object) -> dict[str, bool]:
    """The networks by name, and whether nothing outside is reached from each."""
    networks = {"default": False}
    for name, table in _tables(value, "networks"):
        _refuse_shared("networks", name, table, ("bridge", "", "default"))
        for key in ("driver_opts", "ipam", "enable_ipv6"):
            if table.get(key):
                raise ValueError(f"key `networks.{name}.{key}` is not supported")
        networks[name] = truth_of(table.get("internal"))
    return networks


def _volumes(value: object) -> set[str]:
    names = set()
    for name, table in _tables(value, "volumes"):
        _refuse_shared("volumes", name, table, ("local", ""))
        if table.get("driver_opts"):
            raise ValueError(f"key `volumes.{name}.driver_opts` is not supported: it could mount the host's folders")
        names.add(name)
    return names


def _refuse_shared(kind: str, name: str, table: Mapping[str, Any], drivers: tuple[str, ...]) -> None:
    external = table.get("external")
    if isinstance(external, Mapping) or truth_of(external):
        raise ValueError(f"key `{kind}.{name}.external` is not supported: all {kind} are the trial's own")
    if text_of(table.get("driver") or "") not in drivers:
        raise ValueError(f"key `{kind}.{name}.driver` is not supported")


def _tables(value: object, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise ValueError(f"key `{kind}`: must be a table")
    for name, table in value.items():
        if table is not None and not isinstance(table, Mapping):
            raise ValueError(f"key `{kind}.{name}`: must be a table")
        yield str(name), table or {}
