"""The tools of a request: functions, custom tools whose input is a text, and those that are grouped in a namespace.

A chat model knows functions only. A custom tool becomes a function with one text, and a tool of a namespace a function
whose name has that of the namespace in front; a call of one becomes the client's own kind of call again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evolve.trial.gateway.protocols import reading
from evolve.trial.gateway.wire import Body

INPUT = "input"
# The most characters that endpoints take for a function's name.
MOST_NAME = 64
MODES = ("auto", "none", "required")
HOSTED = "a tool of the type {} would run outside of the sandbox: turn it off in the agent's settings"


@dataclass(frozen=True)
class Tool:
    """One tool as its client knows it; `function`: its name as a function."""

    kind: Literal["function", "custom"]
    name: str
    namespace: str = ""

    @property
    def function(self) -> str:
        return function_name(self.name, self.namespace)


def function_name(name: str, namespace: str = "") -> str:
    """Return the name of a tool as a function."""
    if not namespace:
        return name
    joined = f"{namespace}__{name}" if not namespace.endswith("__") else f"{namespace}{name}"
    if len(joined) <= MOST_NAME:
        return joined
    return f"{joined[: MOST_NAME - 9]}_{hashlib.sha256(joined.encode()).hexdigest()[:8]}"


def known_tools(asked: Body) -> dict[str, Tool]:
    """Return the tools of a request that was accepted, by their names as functions."""
    tools = [tool for tool, _ in _listed(asked.get("tools"))]
    return {tool.function: tool for tool in tools}


def functions_of(tools: Any) -> list[Body]:
    """Return the tools as functions. Raises Refusal."""
    return [_function(tool, given) for tool, given in _listed(tools)]


def _listed(tools: Any, namespace: str = "") -> Iterator[tuple[Tool, Mapping[str, Any]]]:
    for tool in reading.objects(tools, "tools"):
        match tool.get("type"):
            case "function" | "custom" as kind:
                yield Tool(kind, reading.text(tool.get("name"), "tools[].name"), namespace), tool
            case "namespace" if not namespace:
                yield from _listed(tool.get("tools"), reading.text(tool.get("name"), "tools[].name"))
            case other:
                raise reading.invalid(HOSTED.format(reading.named(other)))


def _function(tool: Tool, given: Mapping[str, Any]) -> Body:
    description = given.get("description")
    function = {
        "name": tool.function,
        "description": description if isinstance(description, str) else None,
        "parameters": given.get("parameters") or {"type": "object", "properties": {}},
        "strict": given.get("strict") or None,
    }
    if tool.kind == "custom":
        function |= {"description": _with_grammar(description, given.get("format")), "parameters": _one_text()}
    return {"type": "function", "function": reading.without_none(function)}


def _one_text() -> Body:
    """The parameters of a function with one text."""
    return {"type": "object", "properties": {INPUT: {"type": "string"}}, "required": [INPUT]}


def _with_grammar(description: Any, form: Any) -> str | None:
    lines = [description] if isinstance(description, str) and description else []
    if isinstance(form, Mapping) and isinstance(grammar := form.get("definition"), str):
        lines.append(f"The text `{INPUT}` must follow this grammar ({form.get('syntax')}):\n{grammar}")
    return "\n\n".join(lines) or None


def chat_choice(choice: Any, tools: list[Body]) -> tuple[Any, list[Body]]:
    """Return the choice of a tool in the form of chat completions, and the tools that are left to choose of.

    Raises Refusal.
    """
    if choice is None or choice in MODES:
        return choice, tools
    if isinstance(choice, Mapping) and choice.get("type") in ("function", "custom"):
        return {"type": "function", "function": {"name": _chosen(choice)}}, tools
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        allowed = [_chosen(tool) for tool in reading.objects(choice.get("tools"), "tool_choice.tools")]
        kept = [tool for tool in tools if tool["function"]["name"] in allowed]
        return choice.get("mode") if choice.get("mode") in MODES else "auto", kept
    raise reading.invalid(f"`tool_choice` {reading.named(choice)} is not supported")


def _chosen(choice: Mapping[str, Any]) -> str:
    namespace = choice.get("namespace")
    name = reading.text(choice.get("name"), "tool_choice.name")
    return function_name(name, namespace if isinstance(namespace, str) else "")


def custom_arguments(given: str) -> str:
    """Return the arguments of a custom tool's function for its input."""
    return reading.json_text({INPUT: given})


def custom_input(arguments: str) -> str:
    """Return the input that a call of a custom tool's function has; a text that is no such call is the input itself."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    given = value.get(INPUT) if isinstance(value, dict) else None
    return given if isinstance(given, str) else arguments
