"""Settings that are the same for every candidate of a run: the model, its parameters, and the length of answers."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator

from evolve.core.records import Limits
from evolve.guard.change import PythonFile, printable
from evolve.guard.scope import DOOR

# The gateway drops these parameters of a model call, so code that sets them misleads.
FROZEN = (
    "model", "seed", "n", "best_of", "reasoning", "reasoning_effort", "thinking", "thinking_budget", "enable_thinking",
    "extra_body", "service_tier", "web_search_options",
)  # fmt: skip
FROZEN_SETTINGS = ("model", "model_name", "reasoning_effort", "thinking_budget")
LENGTHS = ("max_tokens", "max_completion_tokens")
ASKING = ("chat", "complete")


def settings_findings(text: str, limits: Limits) -> Iterator[str]:
    """Yield the keys of a TOML file that try to change the run's settings."""
    waiting: list[object] = [tomllib.loads(text)]
    while waiting:
        table = waiting.pop()
        if not isinstance(table, dict):
            continue
        for key, value in table.items():
            waiting.extend(value if isinstance(value, list) else [value])
            if key in FROZEN_SETTINGS and isinstance(value, str | int):
                yield f"frozen: `{printable(key)}` is set by the run; the gateway drops it"
            elif key in LENGTHS and isinstance(value, int) and value > limits.max_tokens:
                yield f"frozen: an answer has at most {limits.max_tokens} tokens; `{key}` is capped there"


def code_findings(module: PythonFile, limits: Limits) -> Iterator[str]:
    """Yield the parameters of model calls in a Python file that try to change the run's settings."""
    doors, imported = module.aliases(DOOR), _imported_names(module)
    for node in module.nodes:
        if isinstance(node, ast.Call) and _asks_model(node, doors, imported):
            yield from _sampling_findings(node, module, limits)


def _imported_names(module: PythonFile) -> frozenset[str]:
    """Return the names imported from evolve_door one by one."""
    return frozenset(
        alias.asname or alias.name
        for node in module.nodes
        if isinstance(node, ast.ImportFrom) and node.module == DOOR
        for alias in node.names
    )


def _asks_model(node: ast.Call, doors: set[str], imported: frozenset[str]) -> bool:
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return node.func.value.id in doors and node.func.attr in ASKING
    return isinstance(node.func, ast.Name) and node.func.id in imported and node.func.id in ASKING


def _sampling_findings(node: ast.Call, module: PythonFile, limits: Limits) -> Iterator[str]:
    for key, value in _sampling(node, module):
        if key in FROZEN:
            yield f"frozen: `{key}` of a model call is set by the run; the gateway drops it"
        most = value.value if isinstance(value, ast.Constant) else None
        if key in LENGTHS and isinstance(most, int) and most > limits.max_tokens:
            yield f"frozen: an answer has at most {limits.max_tokens} tokens; `{key}` is capped there"


def _sampling(node: ast.Call, module: PythonFile) -> Iterator[tuple[str, ast.expr]]:
    """Yield the parameters of a model call, including those in a dictionary of the same module."""
    for keyword in node.keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value
        elif isinstance(keyword.value, ast.Dict):
            yield from _items(keyword.value)
        elif isinstance(keyword.value, ast.Name):
            yield from _assigned_items(keyword.value.id, module)


def _assigned_items(name: str, module: PythonFile) -> Iterator[tuple[str, ast.expr]]:
    """Yield the items of every dictionary literal that is assigned to a name."""
    for node in module.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            targets = {target.id for target in node.targets if isinstance(target, ast.Name)}
            yield from _items(node.value) if name in targets else ()


def _items(node: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value, value
