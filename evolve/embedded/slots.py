"""Find the places in a scaffold where an idiom applies, by syntax and without knowing any scaffold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evolve.embedded.rewrite import Change, ParsedFile, add_import, apply, parse, replace_node

DOOR = "evolve_door"
_TOML_NUMBER = re.compile(r"^([ \t]*)([\w.-]+)([ \t]*=[ \t]*)(-?\d+(?:\.\d+)?)[ \t]*(?:#.*)?$", re.MULTILINE)

Function = ast.FunctionDef | ast.AsyncFunctionDef

# A module, changes to it, and the modules that the changes import.
Part = tuple[ParsedFile, list[Change], tuple[str, ...]]


@dataclass(frozen=True)
class Code:
    """A scaffold's files: all texts by path, and the parsed Python files."""

    files: Mapping[str, str]
    modules: tuple[ParsedFile, ...]

    def door_calls(self, *names: str) -> Iterator[tuple[ParsedFile, ast.Call]]:
        """The calls of the named functions of the door, each with its module."""
        for module in self.modules:
            alias = alias_of(module)
            for call in module.nodes(ast.Call):
                if is_door_call(call, alias, names):
                    yield module, call

    def with_changes(self, module: ParsedFile, *changes: Change, imports: tuple[str, ...] = ()) -> dict[str, str]:
        """The text of one module after the changes and with the imports, by path."""
        text = apply(module, *changes)
        for name in imports:
            text = add_import(text, name)
        return {module.path: text}


@dataclass(frozen=True)
class Number:
    """A number in a file: its place (path, start, end), its value, and the name that labels it."""

    path: str
    start: int
    end: int
    value: float
    label: str

    def with_value(self, code: Code, value: float) -> dict[str, str]:
        """The file with another value, rounded to an integer if the old one is."""
        text = code.files[self.path]
        whole = "." not in text[self.start : self.end]
        new = str(round(value)) if whole else str(round(value, 3))
        return {self.path: text[: self.start] + new + text[self.end :]}


def read_code(files: Mapping[str, str]) -> Code:
    """Parse the Python files of a scaffold."""
    parsed = (parse(path, text) for path, text in files.items() if path.endswith(".py"))
    return Code(files, tuple(module for module in parsed if module))


def alias_of(module: ParsedFile) -> str | None:
    """The name under which a module imports the door."""
    for node in module.nodes(ast.Import):
        for name in node.names:
            if name.name == DOOR:
                return name.asname or name.name
    return None


def is_door_call(node: ast.AST, alias: str | None, names: tuple[str, ...]) -> bool:
    """Whether a node calls one of the named functions of the door."""
    return (
        alias is not None
        and isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == alias
        and node.func.attr in names
    )


def chat_calls(code: Code) -> list[tuple[ParsedFile, ast.Call]]:
    """The calls of the model that have a positional argument."""
    return [(module, call) for module, call in code.door_calls("chat", "complete") if call.args]


def leftmost(node: ast.expr) -> ast.expr:
    """The first operand of a chain of binary operations."""
    while isinstance(node, ast.BinOp):
        node = node.left
    return node


def history_name(call: ast.Call) -> str | None:
    """The name of the message list that a call sends."""
    first = leftmost(call.args[0])
    if isinstance(first, ast.Call) and first.args:
        first = first.args[0]
    return first.id if isinstance(first, ast.Name) else None


@dataclass(frozen=True)
class Edit:
    """A call that writes an edit: its function, and the expressions for the edit's old and new text."""

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
        """The function's return statements after the call."""
        after = [node for node in ast.walk(self.function) if isinstance(node, ast.Return) and node.value]
        return [node for node in after if node.lineno > self.call.lineno]


def edits(code: Code) -> list[Edit]:
    """The calls that write edits; functions with a parameter for the old text come first."""
    places = []
    for module, call in code.door_calls("write"):
        function = enclosing_function(module, call)
        if function and len(call.args) == 2 and isinstance(module.statement(call), ast.Expr):
            names = [arg.arg for arg in function.args.args]
            old = next((name for name in names if name.startswith("old")), "''")
            new = next((name for name in names if name.startswith("new")), module.source(call.args[1]))
            places.append(Edit(module, call, function, old, new))
    return sorted(places, key=lambda edit: edit.old == "''")


def enclosing_function(module: ParsedFile, node: ast.AST) -> Function | None:
    """The innermost function around a node."""
    functions = (outer for outer in module.ancestors(node) if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef))
    return next(functions, None)


@dataclass(frozen=True)
class TestRun:
    """A function that runs the tests. result: the variable that holds the command's result."""

    module: ParsedFile
    function: Function
    result: str


def test_runs(code: Code) -> list[TestRun]:
    """The functions that assign a command's result to a variable; those that mention tests come first."""
    runs = []
    for module, call in code.door_calls("run"):
        parent, function = module.parents.get(call), enclosing_function(module, call)
        if function and isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
            runs.append(TestRun(module, function, parent.targets[0].id))
    return sorted(runs, key=lambda run: "test" not in run.module.source(run.function).lower())


def in_loop(module: ParsedFile, node: ast.AST) -> bool:
    """Whether a node is inside a loop of its function."""
    for outer in module.ancestors(node):
        if isinstance(outer, ast.For | ast.While):
            return True
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            return False
    return False


def numbers(code: Code, wanted: str) -> list[Number]:
    """The numbers in TOML files, constants and `range(n)`; those whose label matches `wanted` come first."""
    all_numbers = [*_toml_numbers(code), *_python_numbers(code)]
    return sorted(all_numbers, key=lambda number: re.search(wanted, number.label) is None)


def _toml_numbers(code: Code) -> Iterator[Number]:
    for path, text in code.files.items():
        if path.endswith(".toml"):
            for match in _TOML_NUMBER.finditer(text):
                yield Number(path, *match.span(4), float(match[4]), match[2])


def _python_numbers(code: Code) -> Iterator[Number]:
    for module in code.modules:
        for node in module.nodes(ast.Constant):
            if type(node.value) in (int, float):
                label = _label(module, node)
                if label and isinstance(node.value, int | float):
                    yield Number(module.path, *module.span(node), float(node.value), label)


def _label(module: ParsedFile, node: ast.Constant) -> str:
    parent = module.parents.get(node)
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
        return parent.targets[0].id.lower()
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id == "range":
        return "range steps"
    if isinstance(parent, ast.keyword):
        return (parent.arg or "").lower()
    return "slice chars" if isinstance(parent, ast.Slice) else ""


def shown_reads(code: Code) -> list[tuple[ParsedFile, ast.Call]]:
    """The file reads whose text goes to the model: those returned, or formatted into a longer text."""
    reads = []
    for module, call in code.door_calls("read"):
        if isinstance(module.parents.get(call), ast.Return | ast.FormattedValue):
            reads.append((module, call))
    return reads


def wrap(module: ParsedFile, node: ast.expr, head: str, tail: str) -> Change:
    """Put text around an expression."""
    return replace_node(module, node, f"{head}{module.source(node)}{tail}")


def merge(code: Code, *parts: Part) -> dict[str, str]:
    """Apply parts, of which several may change the same module, and return the new texts by path."""
    texts: dict[str, str] = {}
    for module in {part[0].path: part[0] for part in parts}.values():
        own = [part for part in parts if part[0].path == module.path]
        changes = [change for part in own for change in part[1]]
        names = tuple(dict.fromkeys(name for part in own for name in part[2]))
        texts |= code.with_changes(module, *changes, imports=names)
    return texts
