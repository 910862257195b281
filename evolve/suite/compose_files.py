"""Files of the task that a compose file gives to its containers: variables (`env_file`), `secrets` and `configs`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evolve.core.composition import MountKind, Pairs, ServiceMount
from evolve.suite.compose_place import Place
from evolve.suite.compose_values import list_of, text_of, truth_of
from evolve.suite.interpolation import Interpolation

MAX_BYTES = 1 << 20
SECRETS = "/run/secrets/"
_LINE = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][\w.]*)\s*(?P<value>=.*)?")
_QUOTED = re.compile(r"""(?:'(?P<plain>[^']*)'|"(?P<filled>(?:[^"\\]|\\.)*)")\s*(?:#.*)?""")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$$"}


@dataclass(frozen=True)
class SharedFiles:
    """The files of `secrets` and `configs`, by their names: paths of the file's, as they are written."""

    secrets: Mapping[str, str]
    configs: Mapping[str, str]


def shared_files(document: Mapping[str, Any]) -> SharedFiles:
    """What a compose file declares. Raises ValueError for what is no file of the task."""
    return SharedFiles(*(dict(_declared(kind, document.get(kind))) for kind in ("secrets", "configs")))


def _declared(kind: str, tables: object) -> Iterator[tuple[str, str]]:
    if not isinstance(tables, Mapping) and tables is not None:
        raise ValueError(f"key `{kind}`: must be a table")
    for name, table in (tables or {}).items():
        if not isinstance(table, Mapping) or set(map(str, table)) - {"file", "name"} or not table.get("file"):
            raise ValueError(f"key `{kind}.{name}`: only a `file` of the task is supported")
        yield str(name), text_of(table["file"])


def mounts_of_files(table: Mapping[str, Any], files: SharedFiles, place: Place) -> tuple[ServiceMount, ...]:
    """The mounts of a service's `secrets` and `configs`. Raises ValueError."""
    return (
        *(_mount(one, files.secrets, SECRETS, place) for one in list_of(table.get("secrets"))),
        *(_mount(one, files.configs, "/", place) for one in list_of(table.get("configs"))),
    )


def _mount(entry: object, files: Mapping[str, str], folder: str, place: Place) -> ServiceMount:
    table = entry if isinstance(entry, Mapping) else {"source": entry}
    if unknown := sorted(set(map(str, table)) - {"source", "target", "uid", "gid", "mode"}):
        raise ValueError(f"`{unknown[0]}` is not supported")
    name = text_of(table.get("source") or "")
    if name not in files:
        raise ValueError(f"`{name}` is not declared")
    target = text_of(table.get("target") or name)
    path = place.folder / place.visible(files[name])
    if not path.is_file():
        raise ValueError(f"`{files[name]}` is no file")
    return ServiceMount(MountKind.FILES, target if target.startswith("/") else folder + target, str(path), True)


def variables_of_files(value: object, place: Place, values: Mapping[str, str]) -> Pairs:
    """The variables of a service's `env_file`; those of later files and lines count. Raises ValueError."""
    found: dict[str, str] = {}
    for entry in [value] if isinstance(value, Mapping) else list_of(value):
        table = entry if isinstance(entry, Mapping) else {"path": entry}
        if unknown := sorted(set(map(str, table)) - {"path", "required"}):
            raise ValueError(f"`{unknown[0]}` is not supported")
        written = text_of(table.get("path") or "")
        more = variables_of_file(written, place, {**found, **values})
        if more is None and truth_of(table.get("required", True)):
            raise ValueError(f"`{written}` is no file")
        found |= more or {}
    return tuple(found.items())


def variables_of_file(path: str, place: Place, values: Mapping[str, str]) -> dict[str, str] | None:
    """The variables in a file of the task; None if there is none. Raises ValueError."""
    file = place.folder / place.visible(path)
    return read_variables(file.read_bytes()[:MAX_BYTES].decode(), values) if file.is_file() else None


def read_variables(text: str, values: Mapping[str, str]) -> dict[str, str]:
    """Read lines of `NAME=value`, as Compose does; a name alone would be the host's variable, and is left out.

    Args:
        values: What variables in values mean; earlier lines come first.

    Raises:
        ValueError: A line is none of that form.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        match = _LINE.fullmatch(bare)
        if match is None:
            raise ValueError(f"line {number} of the file is not NAME=value")
        if match["value"] is not None:
            found[match["name"]] = _value(match["value"][1:].strip(), number, {**values, **found})
    return found


def _value(written: str, number: int, values: Mapping[str, str]) -> str:
    """What stands behind the equals sign, in quotes or plain."""
    if written[:1] not in ("'", '"'):
        return Interpolation(values).fill(re.split(r"\s#", written, maxsplit=1)[0].strip())
    match = _QUOTED.fullmatch(written)
    if match is None:
        raise ValueError(f"line {number} of the file: a quoted value must end on its line")
    if match["plain"] is not None:
        return match["plain"]
    return Interpolation(values).fill(re.sub(r"\\(.)", lambda found: _unescaped(found[1]), match["filled"]))


def _unescaped(letter: str) -> str:
    return _ESCAPES.get(letter, f"\\{letter}")
