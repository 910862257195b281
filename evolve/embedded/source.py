"""A parsed source with exact positions, its statements, scopes and names."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evolve.core.python_syntax import parse_python

Function = ast.FunctionDef | ast.AsyncFunctionDef
Splice = tuple[int, int, str]

_BODIES = ("body", "orelse", "finalbody")


@dataclass(frozen=True)
class SourceChange:
    """One change: byte ranges with their new texts, and its weight relative to others of the same operator."""

    splices: tuple[Splice, ...]
    factor: float = 1.0


@dataclass(frozen=True)
class Names:
    """The names of one scope: parameters, loop variables, other locals, and attributes of `self`."""

    params: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.params + self.loops + self.others))


@dataclass(frozen=True)
class Scope:
    """A function, or the module, with the texts of its conditions, simple statements (donors) and return values.

    cousins: statements of other functions that use only names of this one; loops: their first and last lines.
    """

    name: str
    node: Function | ast.Module
    names: Names
    conditions: tuple[str, ...]
    donors: tuple[str, ...]
    cousins: tuple[str, ...]
    returns: tuple[str, ...]
    loops: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Site:
    """A statement in its block. inner: maps each expression of the statement's header to (parent, field)."""

    node: ast.stmt
    block: Sequence[ast.stmt]
    index: int
    parent: ast.AST
    scope: Scope
    inner: dict[ast.expr, tuple[ast.AST, str]] = field(repr=False)


class Source:
    """A text with byte positions. Raises SyntaxError or ValueError if it can't be parsed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = parse_python(text)
        self.data = text.encode()
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line.encode()) + 1)
        self.functions = {node.name: node for node in ast.walk(self.tree) if isinstance(node, Function)}
        self._constructors()
        self.strings = tuple(dict.fromkeys(_strings(self.tree)))
        self.methods = frozenset(
            node.func.attr
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        )
        self.statements = tuple(self._statements())
        self.raised = tuple(dict.fromkeys(_exception_names(self.tree)))

    def _statements(self) -> Iterator[tuple[Function, str, set[str]]]:
        """One-line statements, each with its function and the names that it uses."""
        for owner in self.functions.values():
            for node in ast.walk(owner):
                kept = isinstance(node, ast.Expr | ast.AugAssign | ast.Delete) and not _is_docstring(node)
                if kept and isinstance(node, ast.stmt) and node.lineno == node.end_lineno:
                    used = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
                    yield owner, self.segment(node), used

    def _constructors(self) -> None:
        """Map each class's name to its `__init__`, if it has one."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, Function) and inner.name == "__init__":
                        self.functions[node.name] = inner

    def begin(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> int:
        line, column = node.end_lineno, node.end_col_offset
        assert line is not None
        assert column is not None
        return self.starts[line - 1] + column

    def cut(self, start: int, end: int) -> str:
        return self.data[start:end].decode()

    def segment(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> str:
        return self.cut(self.begin(node), self.end(node))

    def indent(self, node: ast.stmt) -> str:
        return self.lines[node.lineno - 1][: node.col_offset]

    def replacement(
        self, node: ast.expr | ast.stmt | ast.arg | ast.keyword, text: str, factor: float = 1.0
    ) -> SourceChange:
        """The change that replaces the node by the text."""
        return SourceChange(((self.begin(node), self.end(node), text),), factor)

    def parenthesised(self, node: ast.expr) -> bool:
        """Whether parentheses, its own or a call's, enclose the node."""
        before, after = self.data[: self.begin(node)].rstrip(), self.data[self.end(node) :].lstrip()
        return before.endswith(b"(") and after.startswith(b")")

    def line_of(self, offset: int) -> int:
        return bisect_right(self.starts, offset) - 1

    def rewrite(self, change: SourceChange) -> tuple[int, int, str, str]:
        """The first and last line changed (1-based), their old text, and their new text."""
        splices = sorted(change.splices)
        first, last = self.line_of(splices[0][0]), self.line_of(splices[-1][1])
        at, end = self.starts[first], self.starts[last + 1] - 1
        parts: list[str] = []
        for start, stop, text in splices:
            parts += [self.cut(at, start), text]
            at = stop
        parts.append(self.cut(at, end))
        return first + 1, last + 1, "\n".join(self.lines[first : last + 1]), "".join(parts)


def sites(source: Source) -> list[Site]:
    """All statements, in source order."""
    collected: list[Site] = []
    _collect_sites(source, source.tree, _scope(source, "", source.tree, ()), collected, ())
    return collected


def header_end(node: ast.stmt) -> int:
    """The last line of a statement; of a compound statement, the last line of its header."""
    for body in _blocks(node):
        return max(node.lineno, body[0].lineno - 1) if body[0].lineno > node.lineno else node.lineno
    return node.end_lineno or node.lineno


def body_of(node: ast.AST) -> list[ast.stmt]:
    return next(iter(_blocks(node)), [])


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in _BODIES:
        block = getattr(node, name, None)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
            yield block
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield part.body


def _collect_sites(
    source: Source, owner: ast.AST, scope: Scope, collected: list[Site], fields: tuple[str, ...]
) -> None:
    for block in _blocks(owner):
        for index, node in enumerate(block):
            collected.append(Site(node, block, index, owner, scope, _inner(node)))
            prefix = f"{scope.name}." if scope.name else ""
            if isinstance(node, Function):
                inner = _scope(source, prefix + node.name, node, fields)
                _collect_sites(source, node, inner, collected, fields)
            elif isinstance(node, ast.ClassDef):
                _collect_sites(source, node, scope, collected, _attributes(node))
            else:
                _collect_sites(source, node, scope, collected, fields)


def _inner(node: ast.stmt) -> dict[ast.expr, tuple[ast.AST, str]]:
    places: dict[ast.expr, tuple[ast.AST, str]] = {}
    todo: list[ast.AST] = [node]
    while todo:
        parent = todo.pop()
        for name, value in ast.iter_fields(parent):
            for child in value if isinstance(value, list) else [value]:
                if not isinstance(child, ast.AST) or isinstance(child, ast.stmt | ast.match_case):
                    continue
                if isinstance(child, ast.expr) and not _is_protected(parent, name):
                    places[child] = (parent, name)
                if not isinstance(child, ast.JoinedStr) and not _is_protected(parent, name):
                    todo.append(child)
    return places


def _is_protected(parent: ast.AST, name: str) -> bool:
    """Whether a field is an annotation or docstring, which operators don't change."""
    docstring = isinstance(parent, ast.Expr) and isinstance(parent.value, ast.Constant)
    return docstring or name in ("annotation", "returns", "type_params")


def _scope(source: Source, name: str, node: Function | ast.Module, fields: tuple[str, ...]) -> Scope:
    own = [inner for statement in node.body for inner in ast.walk(statement)]
    tests = [inner.test for inner in own if isinstance(inner, ast.If | ast.While | ast.IfExp)]
    simple = [inner for inner in own if isinstance(inner, _SIMPLE) and not _is_docstring(inner)]
    returns = [inner.value for inner in own if isinstance(inner, ast.Return) and inner.value]
    return Scope(
        name,
        node,
        _names_of(node, own, fields),
        _texts(source, tests),
        _texts(source, simple),
        _cousins(source, node),
        _texts(source, returns),
        tuple((inner.lineno, inner.end_lineno or inner.lineno) for inner in own if isinstance(inner, _LOOPS)),
    )


def _cousins(source: Source, node: Function | ast.Module) -> tuple[str, ...]:
    if not isinstance(node, Function):
        return ()
    known = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    known |= {inner.arg for inner in ast.walk(node.args) if isinstance(inner, ast.arg)}
    fitting = [text for owner, text, used in source.statements if owner is not node and used <= known]
    return tuple(dict.fromkeys(fitting))[:6]


_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return, ast.Continue, ast.Break, ast.Raise)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _texts(source: Source, nodes: Sequence[ast.expr] | Sequence[ast.stmt]) -> tuple[str, ...]:
    texts = [source.segment(node) for node in nodes if node.lineno == node.end_lineno]
    return tuple(dict.fromkeys(texts))


def _names_of(node: Function | ast.Module, own: list[ast.AST], fields: tuple[str, ...]) -> Names:
    params: list[str] = []
    if isinstance(node, Function):
        arguments = node.args
        everything = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        params = [arg.arg for arg in everything if arg.arg not in ("self", "cls")]
    loops, others = dict[str, None](), dict[str, None]()
    for inner in own:
        if isinstance(inner, ast.For | ast.comprehension):
            loops.update((name.id, None) for name in ast.walk(inner.target) if isinstance(name, ast.Name))
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            others[inner.id] = None
    plain = tuple(name for name in others if name not in loops and name not in params)
    return Names(tuple(params), tuple(loops), plain, fields)


def _attributes(node: ast.ClassDef) -> tuple[str, ...]:
    names = [
        inner.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store) and _is_self(inner.value)
    ]
    return tuple(dict.fromkeys(names))


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) <= 12:
            yield node.value


def _exception_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        raised = node.exc if isinstance(node, ast.Raise) else node.type if isinstance(node, ast.ExceptHandler) else None
        name = raised.func if isinstance(raised, ast.Call) else raised
        if isinstance(name, ast.Name):
            yield name.id
