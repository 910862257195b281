"""Plug-ins of installed packages, found by their entry points."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from evolve.core.config import BUILT_IN
from evolve.core.errors import BadInput


def group(kind: str) -> str:
    """The group of entry points of a kind, such as `evolve.rules` of rules."""
    return f"evolve.{kind}s"


def known_names(kind: str) -> list[str]:
    """The names that a setting of this kind may have: the built-in ones, then those of installed plug-ins."""
    installed = sorted({entry.name for entry in entry_points(group=group(kind))})
    return list(dict.fromkeys([*BUILT_IN[kind], *installed]))


def is_known(kind: str, name: str) -> bool:
    """Whether a setting of this kind may have this name."""
    return name in BUILT_IN[kind] or name in known_names(kind)


def unknown(where: str, kind: str, name: str) -> BadInput:
    """The error about a name that nothing has. `where`: the setting."""
    known = ", ".join(known_names(kind)) or "no plug-in is installed"
    return BadInput(where, f"there is no {kind} `{name}`", f"use one of: {known}")


def load(kind: str, name: str) -> Any:
    """The plug-in of this name, as its entry point gives it.

    Raises:
        BadInput: No installed package has it, or it can't be imported.
    """
    entry = next((entry for entry in entry_points(group=group(kind)) if entry.name == name), None)
    if entry is None:
        raise unknown(kind, kind, name)
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        problem = f"can't be imported from {entry.value} ({error})"
        raise BadInput(f"{kind} `{name}`", problem, "fix or reinstall the package") from error
