"""A compose file with all that it takes from other files of the task: `extends` and `include`."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from evolve.core.task_format import MAIN_SERVICE
from evolve.suite.compose_files import variables_of_file
from evolve.suite.compose_host import without_host_folders
from evolve.suite.compose_merge import merged, moved
from evolve.suite.compose_place import Place
from evolve.suite.compose_values import list_of, text_of
from evolve.suite.interpolation import Interpolation
from evolve.suite.yaml_file import read_yaml

MAX_VALUES = 20_000
MAX_FILES = 20
SECTIONS = ("services", "volumes", "networks", "secrets", "configs")
IN_INCLUDED = (*SECTIONS, "version", "name")


@dataclass
class _Count:
    """What was read of all files together, since aliases and files can repeat values."""

    values: int = 0
    files: int = 0

    def add(self, values: int = 0, files: int = 0) -> None:
        self.values, self.files = self.values + values, self.files + files
        if self.values > MAX_VALUES or self.files > MAX_FILES:
            raise ValueError(f"holds more than {MAX_VALUES} values, or is made of more than {MAX_FILES} files")


@dataclass(frozen=True)
class Source:
    """Reads compose files of a task.

    filler: Fills their variables in. emptied: Variables of the host that the user leaves empty. folder: Where relative
    paths begin, as seen from the folder of the task's own compose file. chain: What is read now, against cycles.
    documents: Files that were read, by path, with the same variables.
    """

    place: Place
    filler: Interpolation
    emptied: Collection[str] = ()
    folder: str = "."
    chain: tuple[str, ...] = ()
    count: _Count = field(default_factory=_Count)
    documents: dict[str, Any] = field(default_factory=dict)

    def read(self, path: str) -> Any:
        """A file with variables filled in, extended services and included files. Raises ValueError, BadInput."""
        document = self._raw(path)
        if not isinstance(document, dict):
            return document
        tables = document.get("services")
        if isinstance(tables, dict):
            document = {**document, "services": self._extended_all(path, tables)}
        return self._with_included(path, document) if "include" in document else document

    def _raw(self, path: str) -> Any:
        """A file with variables filled in, read once."""
        if path not in self.documents:
            self.documents[path] = self._filled(self._parsed(path))
        return self.documents[path]

    def _parsed(self, path: str) -> Any:
        self.count.add(files=1)
        file = self.place.folder / self.place.visible(path)
        if not file.is_file():
            raise ValueError(f"`{path}` is no file")
        return without_host_folders(read_yaml(file), self.filler.values, self.emptied)

    def _filled(self, value: Any) -> Any:
        self.count.add(values=1)
        if isinstance(value, dict):
            return {key: self._filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        return self.filler.fill(value) if isinstance(value, str) else value

    def _at(self, path: str) -> str:
        """A path of a file that is read, seen from the folder of the task's own compose file."""
        return path if path.startswith(("/", "~")) else posixpath.normpath(posixpath.join(self.folder, path))

    def _absolute(self, path: str) -> str:
        """The same, as nobody takes for anything but a path."""
        at = self._at(path)
        return at if at.startswith(("/", "~")) else posixpath.join(self.place.host_context, at)

    def _extended_all(self, path: str, tables: Mapping[str, Any]) -> dict[str, Any]:
        services = {}
        for name, table in tables.items():
            try:
                services[name] = self._extended(path, str(name), tables)
            except ValueError as error:
                if not isinstance(table, Mapping) or table.get("extends") is None:
                    raise
                raise ValueError(f"service `{name}` key `extends`: {error}") from error
        return services

    def _extended(self, path: str, name: str, tables: Mapping[str, Any]) -> Any:
        """A service's table over that of the service that it extends."""
        table = tables.get(name)
        if not isinstance(table, Mapping) or table.get("extends") is None:
            return table
        reading = replace(self, chain=(*self.chain, _link(path, name, self.chain)))
        return merged(reading._base(path, table["extends"], tables), table)

    def _base(self, path: str, extends: Any, tables: Mapping[str, Any]) -> Mapping[str, Any]:
        entry = extends if isinstance(extends, Mapping) else {"service": extends}
        if unknown := sorted(set(map(str, entry)) - {"file", "service"}):
            raise ValueError(f"`{unknown[0]}` is not supported")
        name, file = text_of(entry.get("service") or ""), text_of(entry.get("file") or "")
        base = self._of_file(self._at(file), name) if file else self._extended(path, name, {**tables})
        if not isinstance(base, Mapping):
            raise ValueError(f"there is no service `{name}`{f' in `{file}`' if file else ''}")
        return base

    def _of_file(self, path: str, name: str) -> Any:
        """A service of another file, whose paths are seen from here."""
        other = replace(self, folder=posixpath.dirname(path) or ".")
        document = other._raw(path)
        tables = document.get("services") if isinstance(document, dict) else None
        base = other._extended(path, name, tables if isinstance(tables, dict) else {})
        return moved(base, other._absolute) if isinstance(base, Mapping) else base

    def _with_included(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document with what the files in `include` declare."""
        result = {key: value for key, value in document.items() if key != "include"}
        for entry in list_of(document["include"]):
            try:
                for section, name, value in self._included(path, entry):
                    tables = result.get(section) or {}
                    if section == "services" and name == MAIN_SERVICE:
                        raise ValueError(f"`{name}` is the task's own service; extend it instead")
                    if name in tables and tables[name] != value:
                        raise ValueError(f"`{section}.{name}` is declared twice")
                    result[section] = {**tables, name: value}
            except ValueError as error:
                raise ValueError(f"key `include`: {error}") from error
        return result

    def _included(self, path: str, entry: Any) -> Iterator[tuple[str, str, Any]]:
        """Section, name and value of all that an entry of `include` declares."""
        table = entry if isinstance(entry, Mapping) else {"path": entry}
        if unknown := sorted(set(map(str, table)) - {"path", "project_directory", "env_file"}):
            raise ValueError(f"`{unknown[0]}` is not supported")
        paths = [self._at(text_of(one)) for one in list_of(table.get("path"))]
        if len(paths) != 1:
            raise ValueError("`path` must be one file")
        folder = text_of(table.get("project_directory") or "")
        other = replace(
            self,
            folder=self._at(folder) if folder else posixpath.dirname(paths[0]) or ".",
            chain=(*self.chain, _link(path, "include", self.chain)),
        )
        filler = Interpolation(self._variables(table, other.folder), self.filler.missing)
        other = replace(other, filler=filler, documents={})
        document = other.read(paths[0])
        if not isinstance(document, dict):
            raise ValueError(f"`{paths[0]}` holds no services")
        if unknown := sorted(str(key) for key in document if key not in IN_INCLUDED and str(key)[:2] != "x-"):
            raise ValueError(f"`{paths[0]}` has the key `{unknown[0]}`, which is not supported")
        for section in SECTIONS:
            for name, value in _table(document, section).items():
                yield section, str(name), other._seen(section, value)

    def _seen(self, section: str, value: Any) -> Any:
        """A table of an included file, with paths seen from the task's own compose file."""
        if not isinstance(value, Mapping):
            return value
        if section == "services":
            return moved(value, self._absolute)
        return {**value, "file": self._absolute(text_of(value["file"]))} if value.get("file") else value

    def _variables(self, table: Mapping[str, Any], folder: str) -> dict[str, str]:
        """The variables of an included file: of its own `env_file` or `.env`, and over them those from here."""
        given = self.filler.values
        own: dict[str, str] = {}
        for path in map(text_of, list_of(table.get("env_file"))):
            more = variables_of_file(self._at(path), self.place, {**own, **given})
            if more is None:
                raise ValueError(f"`{path}` is no file")
            own |= more
        if not own:
            own = variables_of_file(posixpath.join(folder, ".env"), self.place, given) or {}
        return {**own, **given}


def _table(document: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    table = document.get(section) or {}
    if not isinstance(table, Mapping):
        raise ValueError(f"key `{section}`: must be a table")
    return table


def _link(path: str, name: str, chain: Collection[str]) -> str:
    """What is read now. Raises ValueError if it is being read already."""
    link = f"{path}#{name}"
    if link in chain:
        raise ValueError(f"`{name}` of `{path}` takes from itself, by way of others")
    return link
