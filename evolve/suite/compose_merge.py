"""A service table over another, as Compose merges them (`extends`, several files), and its paths seen from elsewhere.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evolve.suite.compose_values import list_of, pairs_of, text_of

Table = Mapping[str, Any]
# Keys of a service by how two values become one: the later one alone, names with values, and names with tables.
REPLACED = ("command", "entrypoint", "healthcheck.test")
PAIRED = ("environment", "labels", "annotations", "sysctls", "build.args", "build.labels", "deploy.labels")
LISTED = (
    "cap_add", "cap_drop", "devices", "env_file", "expose", "links", "ports", "profiles", "security_opt", "tmpfs",
)  # fmt: skip
STARTED = {"condition": "service_started"}


def merged(base: Table, own: Table) -> dict[str, Any]:
    """A service's table over that of another one, which `own` names in `extends`. Raises ValueError."""
    return _tables(base, {key: value for key, value in own.items() if key != "extends"}, "")


def _tables(base: Table, own: Table, path: str) -> dict[str, Any]:
    added = {key: value for key, value in own.items() if key not in base}
    return {**{key: _value(base[key], own[key], f"{path}{key}") if key in own else base[key] for key in base}, **added}


def _value(base: Any, own: Any, path: str) -> Any:
    """One value over another at a path such as `build.args`; nothing leaves the other, but where it replaces it."""
    if path in REPLACED or base is None:
        return own
    if own is None:
        return base
    if path == "extra_hosts":
        return _hosts(base, own)
    if path in PAIRED:
        return {**pairs_of(base), **pairs_of(own)}
    if path in _AS_TABLES:
        as_table = _AS_TABLES[path]
        return _tables(as_table(base), as_table(own), f"{path}.")
    if path in _TARGETS:
        target = _TARGETS[path]
        return list({target(one): one for one in [*_entries(base), *_entries(own)]}.values())
    if path in LISTED:
        return _united(_entries(base), _entries(own))
    return _plain(base, own, path)


def _plain(base: Any, own: Any, path: str) -> Any:
    """Values whose path means nothing in particular."""
    if isinstance(base, Mapping) and isinstance(own, Mapping):
        return _tables(base, own, f"{path}.")
    if isinstance(base, list) and isinstance(own, list):
        return _united(base, own)
    if isinstance(base, Mapping | list) != isinstance(own, Mapping | list) and not path.startswith("ulimits."):
        raise ValueError(f"`{path}` can't be merged over another kind of value")
    return own


def _united(first: list[Any], second: list[Any]) -> list[Any]:
    return [*first, *(one for one in second if one not in first)]


def _hosts(base: Any, own: Any) -> dict[str, str | None]:
    first, second = pairs_of(base, "=:"), pairs_of(own, "=:")
    for name in first:
        if name in second and second[name] != first[name]:
            raise ValueError(f"`extra_hosts`: `{name}` has two addresses")
    return {**first, **second}


def _entries(value: Any) -> list[Any]:
    return [value] if isinstance(value, Mapping) else list_of(value)


def _named(value: Any, otherwise: Any) -> Table:
    """A table; of a list of names, one with this value for each."""
    return value if isinstance(value, Mapping) else {text_of(one): otherwise for one in list_of(value)}


def _depends(value: Any) -> Table:
    return _named(value, STARTED)


def _networks(value: Any) -> Table:
    return _named(value, None)


def _build(value: Any) -> Table:
    return value if isinstance(value, Mapping) else {"context": value}


def _volume_target(entry: Any) -> str:
    if isinstance(entry, Mapping):
        return text_of(entry.get("target") or "").rstrip("/")
    parts = text_of(entry).split(":")
    return (parts[1] if len(parts) > 1 else parts[0]).rstrip("/")


def _file_target(entry: Any, folder: str) -> str:
    table = entry if isinstance(entry, Mapping) else {"source": entry}
    path = text_of(table.get("target") or table.get("source") or "")
    return path if path.startswith("/") else folder + path


def _secret_target(entry: Any) -> str:
    return _file_target(entry, "/run/secrets/")


def _config_target(entry: Any) -> str:
    return _file_target(entry, "/")


_AS_TABLES: Mapping[str, Callable[[Any], Table]] = {
    "build": _build,
    "depends_on": _depends,
    "networks": _networks,
}
_TARGETS: Mapping[str, Callable[[Any], str]] = {
    "volumes": _volume_target,
    "secrets": _secret_target,
    "configs": _config_target,
}


def moved(table: Table, place: Callable[[str], str]) -> dict[str, Any]:
    """A service's table with its paths of the host made absolute. `place`: what a path of its file is, seen from here.

    Raises:
        ValueError: A value has another form than Compose knows.
    """
    changes: dict[str, Any] = {}
    if (build := table.get("build")) is not None:
        own = _build(build)
        changes["build"] = {**own, "context": place(text_of(own["context"]))} if own.get("context") else own
    if (files := table.get("env_file")) is not None:
        changes["env_file"] = [_moved_file(one, place) for one in _entries(files)]
    if (volumes := table.get("volumes")) is not None:
        changes["volumes"] = [_moved_volume(one, place) for one in list_of(volumes)]
    return {**table, **changes}


def _moved_file(entry: Any, place: Callable[[str], str]) -> Any:
    if isinstance(entry, Mapping):
        return {**entry, "path": place(text_of(entry.get("path") or ""))}
    return place(text_of(entry))


def _moved_volume(entry: Any, place: Callable[[str], str]) -> Any:
    if isinstance(entry, Mapping):
        is_path = entry.get("type") == "bind"
        return {**entry, "source": place(text_of(entry.get("source") or ""))} if is_path else entry
    source, colon, rest = text_of(entry).partition(":")
    return f"{place(source)}:{rest}" if colon and source.startswith((".", "/")) else entry
