"""The plug-ins of a run: objects that the user gave, or entry points that its config names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evolve.core.config import BUILT_IN, RunConfig
from evolve.core.errors import BadInput
from evolve.host import entry_points

if TYPE_CHECKING:  # commands that only read results start faster without numpy and the engine's client
    from evolve.executor.protocol import Executor
    from evolve.gate.ruling import RuleMaker
    from evolve.loop.proposer import Proposer


@dataclass(frozen=True)
class Plugins:
    """What a run uses instead of its own parts; None: its own."""

    proposer: Proposer | None = None
    rule: RuleMaker | None = None
    executor: Executor | None = None


def check_plugins(config: RunConfig, given: Plugins) -> None:
    """Raise BadInput unless every plug-in that a config names is given, or can be imported."""
    for kind, name, plugin in (
        ("proposer", config.proposer, given.proposer),
        ("rule", config.gate.rule, given.rule),
        ("executor", config.executor, given.executor),
    ):
        if plugin is not None or name in BUILT_IN[kind]:
            continue
        if not entry_points.is_known(kind, name):
            raise BadInput(kind, f"there is no {kind} `{name}`", "install its package, or pass the object again")
        entry_points.load(kind, name)


def find_plugins(config: RunConfig, given: Plugins) -> Plugins:
    """The plug-ins that a config names: the given objects, otherwise entry points.

    Raises:
        BadInput: Nothing has the name.
    """
    return Plugins(
        given.proposer or _created("proposer", config.proposer),
        given.rule or _found("rule", config.gate.rule),
        given.executor or _created("executor", config.executor),
    )


def is_local(config: RunConfig) -> bool:
    """Whether trials run in containers on this machine."""
    return config.executor in BUILT_IN["executor"]


def name_of(kind: str, plugin: object) -> str:
    """The name under which an object is stored with a run: its `name`, or the name of its class or function.

    Raises:
        BadInput: The name is no word, or a built-in one.
    """
    own = getattr(plugin, "name", None)
    name = own if isinstance(own, str) else getattr(plugin, "__name__", type(plugin).__name__)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        raise BadInput(kind, f"{name!r} is not a name", "give the object another `name`: letters, digits, -, _ and .")
    if name in BUILT_IN[kind]:
        raise BadInput(kind, f"`{name}` is the name of a built-in {kind}", "give the object another `name`")
    return name


def created(kind: str, name: str) -> Any:
    """The object of an entry point; a class is called without arguments."""
    loaded = entry_points.load(kind, name)
    return loaded() if isinstance(loaded, type) else loaded


def _created(kind: str, name: str) -> Any:
    return None if name in BUILT_IN[kind] else created(kind, name)


def _found(kind: str, name: str) -> Any:
    return None if name in BUILT_IN[kind] else entry_points.load(kind, name)
