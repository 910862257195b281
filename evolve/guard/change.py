"""A patch as the checks see it: the scaffold's files before and after it, read once."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from evolve.core.records import FileEdit

SHOWN_CHARS = 120


@dataclass(frozen=True)
class PythonFile:
    """One Python file that parses."""

    tree: ast.Module

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every part of it, outer ones before inner ones."""
        return list(ast.walk(self.tree))

    @cached_property
    def rebound(self) -> set[str]:
        """Names that are parameters or are assigned to, anywhere."""
        names = {node.arg for node in self.nodes if isinstance(node, ast.arg)}
        return names | {
            node.id for node in self.nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        }

    def aliases(self, name: str) -> set[str]:
        """The names under which a module is imported whole, less those that are also bound to something else."""
        imports = (node for node in self.nodes if isinstance(node, ast.Import))
        found = {alias.asname or alias.name for node in imports for alias in node.names if alias.name == name}
        return found - self.rebound if found else found


Trees = Mapping[str, PythonFile]


@dataclass(frozen=True)
class Change:
    """`before` and `after`: the text files by path. Both must have been looked at for size and syntax."""

    before: Mapping[str, str]
    after: Mapping[str, str]

    @cached_property
    def paths(self) -> list[str]:
        """The files that differ, in order."""
        either = sorted(self.before.keys() | self.after.keys())
        return [path for path in either if self.before.get(path) != self.after.get(path)]

    @cached_property
    def old_trees(self) -> Trees:
        return parse_files(self.before)

    @cached_property
    def new_trees(self) -> Trees:
        return parse_files(self.after)

    @cached_property
    def spec(self) -> Mapping[str, object]:
        """What scaffold.toml says."""
        return tomllib.loads(self.before.get("scaffold.toml", ""))

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """Folders whose modules can be imported by their bare names, each empty or with a slash at its end."""
        entry = str(self.spec.get("entry", ""))
        return tuple(dict.fromkeys((entry[: entry.rfind("/") + 1], "")))

    def added(self) -> str:
        """All lines that no file had before, in the order of the files."""
        known = {line.strip() for text in self.before.values() for line in text.splitlines()}
        lines = [line for path in self.paths for line in self.after.get(path, "").splitlines()]
        return "\n".join(line for line in lines if line.strip() not in known)


def apply_edits(files: Mapping[str, str], edits: Iterable[FileEdit]) -> Change:
    """The change that the edits make; the order of the edits tells nothing."""
    after = dict(files)
    for edit in edits:
        if edit.text is None:
            after.pop(edit.path, None)
        else:
            after[edit.path] = edit.text
    return Change(files, dict(sorted(after.items())))


def parse_files(files: Mapping[str, str]) -> dict[str, PythonFile]:
    """The Python files that parse, by path."""
    found = ((path, parse_module(text)) for path, text in sorted(files.items()) if path.endswith(".py"))
    return {path: PythonFile(module) for path, module in found if module is not None}


def parse_module(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def bare_strings(nodes: Iterable[ast.AST]) -> set[int]:
    """The ids of strings that stand alone, docstrings among them: nothing uses them but `__doc__`."""
    alone = (node.value for node in nodes if isinstance(node, ast.Expr))
    return {id(value) for value in alone if isinstance(value, ast.Constant) and isinstance(value.value, str)}


def strings(module: PythonFile) -> Iterator[str]:
    """Every string that a module holds, put together where it is made of pieces; `{}` stands for what is not known."""
    alone = bare_strings(module.nodes)
    waiting: list[ast.AST] = [module.tree]
    while waiting:
        node = waiting.pop()
        if id(node) in alone:
            continue
        if isinstance(node, ast.expr) and (text := string_value(node)) is not None:
            yield text
            waiting.extend(_unknown_parts(node))
        else:
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def _unknown_parts(node: ast.expr) -> Iterator[ast.AST]:
    """The parts of a folded string that are no string themselves: they may hold others."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.FormattedValue):
            yield part.value
        elif isinstance(part, ast.expr):
            yield from [part] if string_value(part) is None else _unknown_parts(part)


def string_value(node: ast.expr) -> str | None:
    """The text of an expression that is certainly a string; None for any other."""
    if isinstance(node, ast.Constant):
        value = node.value
        return value if isinstance(value, str) else value.decode("latin-1") if isinstance(value, bytes) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(
            "{}" if isinstance(part, ast.FormattedValue) else string_value(part) or "" for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = string_value(node.left), string_value(node.right)
        return None if left is None and right is None else _or_gap(left) + _or_gap(right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join":
        return _joined(node.func.value, node.args)
    return None


def _joined(between: ast.expr, arguments: list[ast.expr]) -> str | None:
    glue = string_value(between)
    if glue is None or len(arguments) != 1 or not isinstance(arguments[0], ast.List | ast.Tuple):
        return None
    return glue.join(_or_gap(string_value(part)) for part in arguments[0].elts)


def _or_gap(text: str | None) -> str:
    return "{}" if text is None else text


def names_in(trees: Trees) -> set[str]:
    """All names that the code defines or uses, those of attributes and parameters too."""
    names: set[str] = set()
    for node in (node for module in trees.values() for node in module.nodes):
        for part in ("id", "attr", "arg", "name"):
            if isinstance(name := getattr(node, part, None), str):
                names.add(name)
    return names


def called_name(node: ast.Call) -> str:
    """The bare name of what is called; empty where it has none."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def mentions(words: Collection[str], text: str) -> bool:
    """Whether any of the words stands in the text, whole."""
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in words)


def printable(text: str) -> str:
    """What a model wrote, fit to stand in a line."""
    return text if text.isprintable() and len(text) <= SHOWN_CHARS else ascii(text[:SHOWN_CHARS])
