"""Finds the places of a scaffold where an idiom may go: by syntax, never by knowing one scaffold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evolve.embedded.rewrite import Change, ParsedFile, applied, imported, parse, swap

DOOR = "evolve_door"
_TOML_NUMBER = re.compile(r"^([ \t]*)([\w.-]+)([ \t]*=[ \t]*)(-?\d+(?:\.\d+)?)[ \t]*(?:#.*)?$", re.MULTILINE)

Function = ast.FunctionDef | ast.AsyncFunctionDef

# A module, changes to it, and the modules that it must import for them.
Part = tuple[ParsedFile, list[Change], tuple[str, ...]]


@dataclass(frozen=True)
class Code:
    """A scaffold's files: all of their texts by path, and those parsed that are Python."""

    files: Mapping[str, str]
    modules: tuple[ParsedFile, ...]

    def door_calls(self, *names: str) -> Iterator[tuple[ParsedFile, ast.Call]]:
        """The calls of the door's functions, with the module that each is in."""
        for module in self.modules:
            alias = alias_of(module)
            for call in module.all(ast.Call):
                if is_door(call, alias, names):
                    yield module, call

    def changed(self, module: ParsedFile, *changes: Change, imports: tuple[str, ...] = ()) -> dict[str, str]:
        """The new text of one module, with what it imports."""
        text = applied(module, *changes)
        for name in imports:
            text = imported(text, name)
        return {module.path: text}


@dataclass(frozen=True)
class Number:
    """A number in a file: where (path, start, end), its value, and the words around it that tell its use."""

    path: str
    start: int
    end: int
    value: float
    words: str

    def made(self, code: Code, value: float) -> dict[str, str]:
        """The file with another number; a whole one where the old one was."""
        text = code.files[self.path]
        whole = "." not in text[self.start : self.end]
        new = str(round(value)) if whole else str(round(value, 3))
        return {self.path: text[: self.start] + new + text[self.end :]}


def read_code(files: Mapping[str, str]) -> Code:
    """Parse the Python files of a scaffold."""
    parsed = (parse(path, text) for path, text in files.items() if path.endswith(".py"))
    return Code(files, tuple(module for module in parsed if module))


def alias_of(module: ParsedFile) -> str | None:
    """The name by which a module knows the door."""
    for node in module.all(ast.Import):
        for name in node.names:
            if name.name == DOOR:
                return name.asname or name.name
    return None


def is_door(node: ast.AST, alias: str | None, names: tuple[str, ...]) -> bool:
    """Whether a node is a call of one of the door's functions."""
    return (
        alias is not None
        and isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == alias
        and node.func.attr in names
    )


def chats(code: Code) -> list[tuple[ParsedFile, ast.Call]]:
    """The calls that ask the model, with at least one plain argument."""
    return [(module, call) for module, call in code.door_calls("chat", "complete") if call.args]


def leftmost(node: ast.expr) -> ast.expr:
    """The first operand of a chain of additions."""
    while isinstance(node, ast.BinOp):
        node = node.left
    return node


def history(call: ast.Call) -> str | None:
    """The name of the list of messages that a call sends."""
    first = leftmost(call.args[0])
    if isinstance(first, ast.Call) and first.args:
        first = first.args[0]
    return first.id if isinstance(first, ast.Name) else None


@dataclass(frozen=True)
class Edit:
    """A place where an edit is written: the call, the function around it, the edit's old and new text."""

    module: ParsedFile
    call: ast.Call
    function: Function
    old: str
    new: str

    @property
    def statement(self) -> ast.stmt:
        return self.module.statement(self.call)

    @property
    def path(self) -> str:
        return self.module.source(self.call.args[0])

    def returns(self) -> list[ast.Return]:
        """What the function returns after it wrote."""
        after = [node for node in ast.walk(self.function) if isinstance(node, ast.Return) and node.value]
        return [node for node in after if node.lineno > self.call.lineno]


def edits(code: Code) -> list[Edit]:
    """Where edits are written; functions that are given an old and a new text come first."""
    found = []
    for module, call in code.door_calls("write"):
        function = around(module, call)
        if function and len(call.args) == 2 and isinstance(module.statement(call), ast.Expr):
            names = [arg.arg for arg in function.args.args]
            old = next((name for name in names if name.startswith("old")), "''")
            new = next((name for name in names if name.startswith("new")), module.source(call.args[1]))
            found.append(Edit(module, call, function, old, new))
    return sorted(found, key=lambda edit: edit.old == "''")


def around(module: ParsedFile, node: ast.AST) -> Function | None:
    """The innermost function around a node."""
    found = (outer for outer in module.up(node) if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef))
    return next(found, None)


@dataclass(frozen=True)
class TestRun:
    """A function that runs the tests: `result` is the name that holds what the command left."""

    module: ParsedFile
    function: Function
    result: str


def test_runs(code: Code) -> list[TestRun]:
    """The functions that keep the result of a command in a name; those that speak of tests come first."""
    found = []
    for module, call in code.door_calls("run"):
        parent, function = module.parents.get(call), around(module, call)
        if function and isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
            found.append(TestRun(module, function, parent.targets[0].id))
    return sorted(found, key=lambda run: "test" not in run.module.source(run.function).lower())


def messages_loop(module: ParsedFile, node: ast.AST) -> bool:
    """Whether a node stands in a loop of its function."""
    for outer in module.up(node):
        if isinstance(outer, ast.For | ast.While):
            return True
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            return False
    return False


def numbers(code: Code, wanted: str) -> list[Number]:
    """The numbers in TOML files, constants and `range(n)`; those whose words match `wanted` come first."""
    found = [*_toml_numbers(code), *_python_numbers(code)]
    return sorted(found, key=lambda number: re.search(wanted, number.words) is None)


def _toml_numbers(code: Code) -> Iterator[Number]:
    for path, text in code.files.items():
        if path.endswith(".toml"):
            for match in _TOML_NUMBER.finditer(text):
                yield Number(path, *match.span(4), float(match[4]), match[2])


def _python_numbers(code: Code) -> Iterator[Number]:
    for module in code.modules:
        for node in module.all(ast.Constant):
            if type(node.value) in (int, float):
                words = _words_around(module, node)
                if words and isinstance(node.value, int | float):
                    yield Number(module.path, *module.span(node), float(node.value), words)


def _words_around(module: ParsedFile, node: ast.Constant) -> str:
    parent = module.parents.get(node)
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
        return parent.targets[0].id.lower()
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id == "range":
        return "range steps"
    if isinstance(parent, ast.keyword):
        return (parent.arg or "").lower()
    return "slice chars" if isinstance(parent, ast.Slice) else ""


def shown_reads(code: Code) -> list[tuple[ParsedFile, ast.Call]]:
    """Reads of files whose text goes to the model: returned, or put into a longer text."""
    found = []
    for module, call in code.door_calls("read"):
        if isinstance(module.parents.get(call), ast.Return | ast.FormattedValue):
            found.append((module, call))
    return found


def wrapped(module: ParsedFile, node: ast.expr, head: str, tail: str) -> Change:
    """A change that puts text around an expression."""
    return swap(module, node, f"{head}{module.source(node)}{tail}")


def merged(code: Code, *parts: Part) -> dict[str, str]:
    """The new texts after parts that may belong to one module."""
    found: dict[str, str] = {}
    for module in {part[0].path: part[0] for part in parts}.values():
        mine = [part for part in parts if part[0].path == module.path]
        changes = [change for part in mine for change in part[1]]
        names = tuple(dict.fromkeys(name for part in mine for name in part[2]))
        found |= code.changed(module, *changes, imports=names)
    return found
