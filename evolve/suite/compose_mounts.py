"""The volumes and tmpfs of a service: volumes of the trial, files of the task, logs; never the host's files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from evolve.core.composition import MountKind, ServiceMount
from evolve.suite.compose_place import Place
from evolve.suite.compose_values import bytes_of, list_of, text_of, truth_of

MODES = ("ro", "rw", "z", "Z", "cached", "delegated", "consistent", "nocopy")


def read_mounts(volumes: object, tmpfs: object, place: Place, declared: Collection[str]) -> tuple[ServiceMount, ...]:
    """Read the keys `volumes` and `tmpfs`. Raises ValueError.

    Args:
        declared: The names of the file's volumes.
    """
    mounts = [_mount(value, place, declared) for value in list_of(volumes)]
    mounts += [_memory(text_of(value)) for value in list_of(tmpfs)]
    targets = [mount.target for mount in mounts]
    for target in targets:
        if targets.count(target) > 1:
            raise ValueError(f"`{target}` is mounted twice")
    return tuple(mounts)


def _mount(value: object, place: Place, declared: Collection[str]) -> ServiceMount:
    if isinstance(value, Mapping):
        return _long(value, place, declared)
    parts = text_of(value).split(":")
    if any(len(part) == 1 and part.isalpha() for part in parts[:-1]):
        raise ValueError(f"`{value}`: Compose takes a letter alone for a drive of Windows; use a longer name")
    if len(parts) == 1:
        return ServiceMount(MountKind.VOLUME, _target(parts[0]))
    if len(parts) > 3 or not parts[0]:
        raise ValueError(f"`{value}` is no volume")
    modes = parts[2].split(",") if len(parts) == 3 else []
    if unknown := [mode for mode in modes if mode not in MODES]:
        raise ValueError(f"`{value}`: `{unknown[0]}` is not supported")
    return _from(parts[0], parts[1], "ro" in modes, place, declared)


def _long(value: Mapping[str, Any], place: Place, declared: Collection[str]) -> ServiceMount:
    kind, target = text_of(value.get("type") or ""), text_of(value.get("target") or "")
    read_only = truth_of(value.get("read_only"))
    source = text_of(value.get("source") or "")
    if kind == "tmpfs":
        return ServiceMount(MountKind.MEMORY, _target(target), bytes=bytes_of((value.get("tmpfs") or {}).get("size")))
    if kind == "volume" and not source:
        return ServiceMount(MountKind.VOLUME, _target(target), read_only=read_only)
    if kind not in ("bind", "volume") or (kind == "bind") != _is_path(source):
        raise ValueError(f"`type: {kind}` with `source: {source}` is not supported")
    if kind == "volume" and "subpath" in (value.get("volume") or {}):
        raise ValueError("`volume.subpath` is not supported")
    return _from(source, target, read_only, place, declared)


def _is_path(source: str) -> bool:
    return source.startswith((".", "/", "~"))


def _from(source: str, target: str, read_only: bool, place: Place, declared: Collection[str]) -> ServiceMount:
    """A mount of a volume by its name, or of a path of the host."""
    if not _is_path(source):
        if source not in declared:
            raise ValueError(f"the volume `{source}` is not declared")
        return ServiceMount(MountKind.VOLUME, _target(target), source, read_only)
    if (logs := place.logs(source)) is not None:
        return ServiceMount(MountKind.LOGS, _target(target), logs, read_only)
    return ServiceMount(MountKind.FILES, _target(target), str(place.folder / place.visible(source)), read_only)


def _target(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"`{path}` is no absolute path in the container")
    return path.rstrip("/") or "/"


def _memory(value: str) -> ServiceMount:
    """An entry of `tmpfs`: a path, perhaps with options, of which the size counts."""
    target, _, options = value.partition(":")
    sizes = [size for name, size in _options(options) if name == "size"]
    return ServiceMount(MountKind.MEMORY, _target(target), bytes=bytes_of(sizes[-1]) if sizes else None)


def _options(text: str) -> Iterator[tuple[str, str]]:
    for option in filter(None, text.split(",")):
        name, _, value = option.partition("=")
        yield name, value
