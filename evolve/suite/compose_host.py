"""Folders of the host that a compose file mounts by a variable: empty volumes, if the user leaves that empty."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

_BY_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<braced>\w+)(?::?[-?+][^}]*)?\})(?P<rest>[^:]*)")


def without_host_folders(document: Any, values: Mapping[str, str], emptied: Collection[str]) -> Any:
    """The document with an empty volume for each folder that a variable in `emptied` names, before it is filled in.

    Args:
        values: The variables that the file has.

    Raises:
        ValueError: A folder is named by a variable of the host that the user doesn't leave empty.
    """
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict):
        return document
    changed = {name: _changed(str(name), table, values, emptied) for name, table in services.items()}
    return {**document, "services": changed}


def _changed(name: str, table: Any, values: Mapping[str, str], emptied: Collection[str]) -> Any:
    volumes = table.get("volumes") if isinstance(table, dict) else None
    if not isinstance(volumes, list):
        return table
    return {**table, "volumes": [_without(name, entry, values, emptied) for entry in volumes]}


def _without(service: str, entry: Any, values: Mapping[str, str], emptied: Collection[str]) -> Any:
    """The entry, or an empty volume at its place."""
    source = entry.get("source") if isinstance(entry, dict) else entry
    match = _BY_VARIABLE.match(source) if isinstance(source, str) else None
    if match is None:
        return entry
    variable = match["plain"] or match["braced"]
    if variable in emptied:
        return _volume(entry, match.end())
    if variable not in values and "-" not in match[0].removesuffix(match["rest"]):
        named = f"`{match['rest'] or match[0]}` is a path of the host, named by {variable}"
        way = f"--pass-env {variable}= puts an empty folder there"
        raise ValueError(f"service `{service}` key `volumes`: {named}; {way}")
    return entry


def _volume(entry: Any, end: int) -> dict[str, Any]:
    """An unnamed volume, in the long form. `end`: where the source ends in an entry that is text."""
    if isinstance(entry, dict):
        return {"type": "volume", "target": entry.get("target"), "read_only": entry.get("read_only", False)}
    target, _, modes = entry[end:].removeprefix(":").partition(":")
    return {"type": "volume", "target": target, "read_only": "ro" in modes.split(",")}
