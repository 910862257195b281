"""The tools that a request offers, by purpose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tool:
    """An offered tool: its purpose (kind), its name, the names of its parameters."""

    kind: str
    name: str
    params: tuple[str, ...] = ()

    def param(self, *names: str) -> str | None:
        """The first parameter that has one of the names."""
        return next((param for name in names for param in self.params if name == param.lower()), None)


def tool_names(body: Mapping[str, Any]) -> list[str]:
    """The names of the tools that the request offers."""
    return [str(tool["function"]["name"]) for tool in body.get("tools") or ()]


def read_tools(body: Mapping[str, Any]) -> dict[str, Tool]:
    """The offered tools by kind; of several of a kind, the first."""
    tools: dict[str, Tool] = {}
    for tool in body.get("tools") or ():
        function = tool["function"]
        schema = function.get("parameters") or {}
        params = tuple(schema.get("properties") or ())
        kind = _kind(function["name"].lower(), {param.lower() for param in params})
        tools.setdefault(kind, Tool(kind, function["name"], params))
    return tools


def _kind(name: str, params: set[str]) -> str:
    if params & {"old", "old_text", "old_str", "search"} and params & {
        "new",
        "new_text",
        "new_str",
        "replace",
    }:
        return "edit"
    if params & {"command", "cmd"}:
        return "shell"
    for kind, pattern in _KIND_WORDS:
        if re.search(pattern, name):
            return kind
    return "test" if "run" in name else "other"


_KIND_WORDS = (
    ("submit", "submit|finish|done|complete"),
    ("list", "list|(^|_)ls|tree"),
    ("read", "read|view|open|show|cat"),
    ("test", "test"),
)
