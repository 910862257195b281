"""A patch as the checks see it: the scaffold's files before and after it, parsed once."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from evolve.core.python_syntax import parse_python
from evolve.core.records import FileEdit

SHOWN_CHARS = 120


@dataclass(frozen=True)
class PythonFile:
    """A Python file that parses."""

    tree: ast.Module

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes, outer ones before inner ones."""
        return list(ast.walk(self.tree))

    @cached_property
    def rebound(self) -> set[str]:
        """Names that are parameters or assigned to, anywhere in the file."""
        names = {node.arg for node in self.nodes if isinstance(node, ast.arg)}
        return names | {
            node.id for node in self.nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        }

    def aliases(self, name: str) -> set[str]:
        """Return the names under which a module is imported, except names that are also bound to something else."""
        imports = (node for node in self.nodes if isinstance(node, ast.Import))
        names = {alias.asname or alias.name for node in imports for alias in node.names if alias.name == name}
        return names - self.rebound if names else names


Trees = Mapping[str, PythonFile]


@dataclass(frozen=True)
class Change:
    """The scaffold's text files by path, `before` and `after` a patch. Check size and syntax before parsing.

    unseen: files that can't change and that nobody is shown; they are not parsed, and their words count as unknown.
    """

    before: Mapping[str, str]
    after: Mapping[str, str]
    unseen: frozenset[str] = frozenset()

    def seen(self, files: Mapping[str, str]) -> Mapping[str, str]:
        """Those of the files that the proposer is shown."""
        return {path: text for path, text in files.items() if path not in self.unseen} if self.unseen else files

    @cached_property
    def paths(self) -> list[str]:
        """The files that differ, sorted."""
        either = sorted(self.before.keys() | self.after.keys())
        return [path for path in either if self.before.get(path) != self.after.get(path)]

    @cached_property
    def old_trees(self) -> Trees:
        return parse_files(self.seen(self.before))

    @cached_property
    def new_trees(self) -> Trees:
        return parse_files(self.seen(self.after))

    @cached_property
    def spec(self) -> Mapping[str, object]:
        """The contents of scaffold.toml."""
        return tomllib.loads(self.before.get("scaffold.toml", ""))

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """Folders whose modules can be imported by their bare names: "", or a path that ends with a slash."""
        entry = str(self.spec.get("entry", ""))
        return tuple(dict.fromkeys((entry[: entry.rfind("/") + 1], "")))

    def added(self) -> str:
        """Return all lines that no file had before, in the order of the files."""
        known = {line.strip() for text in self.seen(self.before).values() for line in text.splitlines()}
        lines = [line for path in self.paths for line in self.after.get(path, "").splitlines()]
        return "\n".join(line for line in lines if line.strip() not in known)


def apply_edits(files: Mapping[str, str], edits: Iterable[FileEdit], unseen: frozenset[str] = frozenset()) -> Change:
    """Return the change that the edits make. Their order does not matter."""
    after = dict(files)
    for edit in edits:
        if edit.text is None:
            after.pop(edit.path, None)
        else:
            after[edit.path] = edit.text
    return Change(files, dict(sorted(after.items())), unseen)


def parse_files(files: Mapping[str, str]) -> dict[str, PythonFile]:
    """Return the Python files that parse, by path."""
    modules = ((path, parse_module(text)) for path, text in sorted(files.items()) if path.endswith(".py"))
    return {path: PythonFile(module) for path, module in modules if module is not None}


def parse_module(text: str) -> ast.Module | None:
    """Return the module's syntax tree; None if the text does not parse."""
    try:
        return parse_python(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def bare_strings(nodes: Iterable[ast.AST]) -> set[int]:
    """Return the ids of strings that are statements, such as docstrings: only `__doc__` uses them."""
    alone = (node.value for node in nodes if isinstance(node, ast.Expr))
    return {id(value) for value in alone if isinstance(value, ast.Constant) and isinstance(value.value, str)}


def strings(module: PythonFile) -> Iterator[str]:
    """Yield every string in a module, with its pieces joined; `{}` replaces what is not known."""
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
    """Yield the parts of a joined string that are not strings themselves: they may contain others."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.FormattedValue):
            yield part.value
        elif isinstance(part, ast.expr):
            yield from [part] if string_value(part) is None else _unknown_parts(part)


def string_value(node: ast.expr) -> str | None:
    """Return the text of an expression that is certainly a string; None for any other."""
    if isinstance(node, ast.Constant):
        value = node.value
        return value if isinstance(value, str) else value.decode("latin-1") if isinstance(value, bytes) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(
            "{}" if isinstance(part, ast.FormattedValue) else string_value(part) or "" for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = string_value(node.left), string_value(node.right)
        return None if left is None and right is None else _text_or_gap(left) + _text_or_gap(right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join":
        return _join_value(node.func.value, node.args)
    return None


def _join_value(between: ast.expr, arguments: list[ast.expr]) -> str | None:
    glue = string_value(between)
    if glue is None or len(arguments) != 1 or not isinstance(arguments[0], ast.List | ast.Tuple):
        return None
    return glue.join(_text_or_gap(string_value(part)) for part in arguments[0].elts)


def _text_or_gap(text: str | None) -> str:
    return "{}" if text is None else text


def names_in(trees: Trees) -> set[str]:
    """Return all names that the code defines or uses, including attributes and parameters."""
    names: set[str] = set()
    for node in (node for module in trees.values() for node in module.nodes):
        for part in ("id", "attr", "arg", "name"):
            if isinstance(name := getattr(node, part, None), str):
                names.add(name)
    return names


def called_name(node: ast.Call) -> str:
    """Return the bare name of the called function; "" if it has none."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def mentions(words: Collection[str], text: str) -> bool:
    """Whether any of the words occurs in the text as a whole word."""
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in words)


def printable(text: str) -> str:
    """Escape and shorten a model's text, so that it fits into a line of a message."""
    return text if text.isprintable() and len(text) <= SHOWN_CHARS else ascii(text[:SHOWN_CHARS])
