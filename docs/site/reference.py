"""The pages of the reference that are made from the code: commands, tables of the database, Python API."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import typer
from sqlalchemy.dialects import sqlite

import evolve
from evolve.cli import commands, pack_commands, result_commands, setup_commands
from evolve.cli.options import app
from evolve.store.schema import metadata

KINDS = {int: "NUMBER", float: "NUMBER", Path: "PATH"}
MODULES = (commands, pack_commands, result_commands, setup_commands)


def command_tree() -> Any:
    """The commands as the command line has them."""
    assert all(MODULES)
    return typer.main.get_command(app)


def leaves(group: Any, path: str = "evolve") -> Iterator[tuple[str, Any]]:
    """Every command with its path, in the order of the help."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name).strip("[]").upper()
    return name if parameter.required else f"[{name}]"


def _value(annotation: Any) -> str:
    """What a value looks like: its choices, or the kind of it."""
    for inner in get_args(annotation):
        if inner is not type(None):
            return _value(inner)
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return "|".join(str(one.value) for one in annotation)
    return KINDS.get(annotation, "TEXT")


def _option(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    value = "" if parameter.is_flag else f" {parameter.metavar or _value(parameter.type_descriptor.annotation)}"
    return ", ".join(f"`{name}{value}`" for name in names)


def command_page() -> str:
    """Every command with its arguments and options."""
    lines = ["# Commands", "", "Made from the command line itself; `evolve COMMAND --help` shows the same.", ""]
    for path, command in leaves(command_tree()):
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        options = [one for one in command.params if one.param_type_name == "option" and one.name != "help"]
        usage = " ".join([path, *map(_argument, arguments), *(["[OPTIONS]"] if options else [])])
        lines += [f"## {path}", "", "```text", usage, "```", "", inspect.cleandoc(command.help or ""), ""]
        rows = [(f"`{_argument(one)}`", one.help or "") for one in arguments]
        rows += [(_option(one), one.help or "") for one in options]
        if rows:
            lines += ["| argument or option | meaning |", "| --- | --- |"]
            lines += [f"| {_cell(name)} | {_cell(text)} |" for name, text in rows] + [""]
    return "\n".join(lines)


def schema_page() -> str:
    """Every table with its columns."""
    lines = ["# Tables", "", "Made from the schema. What the columns mean is in [the database](database.md).", ""]
    for table in metadata.sorted_tables:
        lines += [f"## {table.name}", "", "| column | type | null | refers to |", "| --- | --- | --- | --- |"]
        for column in table.columns:
            kind = str(column.type.compile(dialect=sqlite.dialect()))
            marks = f"{kind}, primary key" if column.primary_key else kind
            others = ", ".join(sorted(f"`{key.target_fullname}`" for key in column.foreign_keys))
            lines.append(f"| `{column.name}` | {marks} | {'yes' if column.nullable else 'no'} | {others} |")
        lines.append("")
    return "\n".join(lines)


def api_page() -> str:
    """Every public name with its docstring."""
    lines = [
        "# Python reference",
        "",
        "Made from the docstrings; [Python API](api.md) shows their use.",
        "",
    ]
    for name in evolve.__all__:
        value = getattr(evolve, name)
        if not callable(value):
            continue
        lines += [f"## evolve.{name}", "", *_described(name, value)]
        for method, member in _members(value):
            lines += [f"### {name}.{method}", "", *_described(method, member)]
    return "\n".join(lines)


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    """The public methods of a class that have a docstring of their own."""
    members: Mapping[str, Any] = vars(value) if inspect.isclass(value) else {}
    for name, member in members.items():
        found = member.fget if isinstance(member, property) else member
        if not name.startswith("_") and inspect.isfunction(found):
            yield name, found


def _described(name: str, value: Any) -> list[str]:
    text = inspect.cleandoc(value.__doc__ or "") if not inspect.isclass(value) or value.__doc__ else ""
    return ["```python", _signature(name, value), "```", "", *_as_markdown(text), ""]


def _signature(name: str, value: Any) -> str:
    """The signature over several lines if it is long; without the module of each type."""
    if inspect.isclass(value):
        return f"class {name}"
    signature = re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", str(inspect.signature(value)).replace("'", ""))
    signature = re.sub(r"<function (\w+) at \w+>", r"\1", signature)
    return f"def {name}{signature}"


def _as_markdown(text: str) -> list[str]:
    """A docstring, whose indented sections become lists."""
    lines = []
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" ") and line[:-1].isalpha():
            lines += [f"**{line[:-1]}**", ""]
        elif re.match(r" {4}[\w*]+( \(.*\))?:", line):
            lines.append(f"- {line.strip()}")
        else:
            lines.append(line.strip())
    return lines


PAGES = {"commands.md": command_page, "schema.md": schema_page, "python.md": api_page}
