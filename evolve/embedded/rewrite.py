"""Change program text at nodes of its syntax tree, and mutate it at random."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import TypeVar

from evolve.core.python_syntax import parse_python

Node = TypeVar("Node", bound=ast.AST)

# A replacement: start and end in characters, and the new text.
Change = tuple[int, int, str]


@dataclass(frozen=True)
class ParsedFile:
    """A parsed file: its path, its text, its tree and each node's parent."""

    path: str
    text: str
    tree: ast.Module
    parents: dict[ast.AST, ast.AST] = field(repr=False)

    def nodes(self, kind: type[Node]) -> list[Node]:
        """The nodes of one kind, in text order."""
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, kind)]
        return sorted(nodes, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def enclosing(self, node: ast.AST, kind: type[Node]) -> Node | None:
        """The innermost node of a kind around a node."""
        return next((outer for outer in self.ancestors(node) if isinstance(outer, kind)), None)

    def statement(self, node: ast.AST) -> ast.stmt:
        """The statement that contains a node, or the node itself if it is one."""
        return node if isinstance(node, ast.stmt) else next(n for n in self.ancestors(node) if isinstance(n, ast.stmt))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """The start and end of a node in the text, in characters."""
        start = _offset(self.text, getattr(node, "lineno", 1), getattr(node, "col_offset", 0))
        end = _offset(self.text, getattr(node, "end_lineno", 1) or 1, getattr(node, "end_col_offset", 0) or 0)
        return start, end

    def source(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.text[start:end]


def parse(path: str, text: str) -> ParsedFile | None:
    """Parse a Python file; None if it does not parse."""
    try:
        tree = parse_python(text)
    except (SyntaxError, ValueError):
        return None
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    return ParsedFile(path, text, tree, parents)


def _offset(text: str, line: int, column: int) -> int:
    lines = text.split("\n")
    return sum(len(previous) + 1 for previous in lines[: line - 1]) + len(lines[line - 1].encode()[:column].decode())


def replace_node(module: ParsedFile, node: ast.AST, new: str) -> Change:
    """Replace a node's text."""
    return (*module.span(node), new)


def insert_before(module: ParsedFile, statement: ast.stmt, code: str) -> Change:
    """Insert code before a statement, with its indentation."""
    start = _offset(module.text, statement.lineno, 0)
    return start, start, _indent(module, statement, code) + "\n"


def insert_after(module: ParsedFile, statement: ast.stmt, code: str) -> Change:
    """Insert code after a statement, with its indentation."""
    end = module.span(statement)[1]
    return end, end, "\n" + _indent(module, statement, code)


def replace_statement(module: ParsedFile, statement: ast.stmt, code: str) -> Change:
    """Replace a statement by code, with its indentation."""
    return (
        _offset(module.text, statement.lineno, 0),
        module.span(statement)[1],
        _indent(module, statement, code),
    )


def _indent(module: ParsedFile, statement: ast.stmt, code: str) -> str:
    first = module.text.split("\n")[statement.lineno - 1]
    return textwrap.indent(code.strip("\n"), first[: len(first) - len(first.lstrip())])


def apply(module: ParsedFile, *changes: Change) -> str:
    """Apply all changes, which must not overlap, and return the new text."""
    text = module.text
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def add_import(text: str, name: str) -> str:
    """Add `import name` to the text unless it is there."""
    module = parse("", text)
    if module is None or re.search(rf"^import {re.escape(name)}$", text, re.MULTILINE):
        return text
    imports = [node for node in module.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if imports:
        return apply(module, insert_after(module, imports[-1], f"import {name}"))
    return f"import {name}\n{text}"


@dataclass(frozen=True)
class Mutation:
    """The new text of one file, and a description of the change."""

    text: str
    description: str


Mutator = Callable[[ParsedFile, Random], Mutation | None]


def _pick(dice: Random, nodes: Sequence[Node]) -> Node | None:
    return dice.choice(nodes) if nodes else None


def constant(module: ParsedFile, dice: Random) -> Mutation | None:
    """Change a number or negate a truth value."""
    node = _pick(dice, [n for n in module.nodes(ast.Constant) if isinstance(n.value, bool | int | float)])
    if node is None or not isinstance(node.value, int | float):
        return None
    new = not node.value if isinstance(node.value, bool) else other_number(node.value, dice)
    what = f"the value {node.value} in line {node.lineno} becomes {new}"
    return Mutation(apply(module, replace_node(module, node, repr(new))), what)


def other_number(value: int | float, dice: Random) -> int | float:
    """Draw a number near `value`: about twice or half of it, or one more or less."""
    if isinstance(value, float):
        return round(value * dice.choice((0.5, 0.7, 1.5, 2.0)), 4)
    return dice.choice((value * 2, max(1, value // 2), value + 1, value - 1))


def _test(node: ast.If | ast.While) -> ast.expr:
    return node.test


_OPPOSITE: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: ">=", ast.GtE: "<", ast.Gt: "<=", ast.LtE: ">",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip


def condition(module: ParsedFile, dice: Random) -> Mutation | None:
    """Negate a condition."""
    node = _pick(dice, [*map(_test, module.nodes(ast.If)), *map(_test, module.nodes(ast.While))])
    if node is None:
        return None
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        sides = module.source(node.left), module.source(node.comparators[0])
        new = f"{sides[0]} {_OPPOSITE[type(node.ops[0])]} {sides[1]}"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        new = module.source(node.operand)
    else:
        new = f"not ({module.source(node)})"
    return Mutation(
        apply(module, replace_node(module, node, new)), f"the condition in line {node.lineno} becomes `{new}`"
    )


def boolean_operator(module: ParsedFile, dice: Random) -> Mutation | None:
    """Exchange `and` and `or`."""
    node = _pick(dice, module.nodes(ast.BoolOp))
    if node is None:
        return None
    joiner = " or " if isinstance(node.op, ast.And) else " and "
    new = joiner.join(module.source(value) for value in node.values)
    return Mutation(apply(module, replace_node(module, node, f"({new})")), f"line {node.lineno} reads `{new}`")


def _simple_statements(module: ParsedFile) -> list[ast.stmt]:
    kinds = (ast.Expr, ast.Assign, ast.AugAssign, ast.Return, ast.If, ast.Raise, ast.Continue, ast.Break)
    return [node for node in module.nodes(ast.stmt) if isinstance(node, kinds) and _owns_its_lines(module, node)]


def _owns_its_lines(module: ParsedFile, node: ast.stmt) -> bool:
    """Whether the statement shares no line with another and is neither a docstring nor an `elif`."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return False
    lines = module.text.split("\n")
    first, last = lines[node.lineno - 1], lines[(node.end_lineno or node.lineno) - 1]
    head = first.encode()[: node.col_offset].strip()
    tail = last.encode()[node.end_col_offset or 0 :].strip()
    return not head and not tail.startswith(b";") and not first.strip().startswith("elif")


def deletion(module: ParsedFile, dice: Random) -> Mutation | None:
    """Replace a statement by `pass`."""
    node = _pick(dice, _simple_statements(module))
    if node is None:
        return None
    shown = module.source(node).split("\n")[0]
    return Mutation(
        apply(module, replace_statement(module, node, "pass")), f"line {node.lineno}, `{shown}`, is left out"
    )


def statement_swap(module: ParsedFile, dice: Random) -> Mutation | None:
    """Swap two adjacent statements."""
    simple = set(_simple_statements(module))
    pairs = [
        (first, second) for block in _blocks(module) for first, second in pairwise(block) if {first, second} <= simple
    ]
    if not pairs:
        return None
    first, second = dice.choice(pairs)
    lines = module.text.split("\n")
    ends = first.end_lineno or first.lineno, second.end_lineno or second.lineno
    middle = lines[ends[0] : second.lineno - 1]
    swapped = [*lines[second.lineno - 1 : ends[1]], *middle, *lines[first.lineno - 1 : ends[0]]]
    text = "\n".join([*lines[: first.lineno - 1], *swapped, *lines[ends[1] :]])
    return Mutation(text, f"the statements in lines {first.lineno} and {second.lineno} change places")


def _blocks(module: ParsedFile) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(module.tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield block


def slice_end(module: ParsedFile, dice: Random) -> Mutation | None:
    """Take the tail instead of the head of a slice, or the head instead of the tail."""
    slices = [n for n in module.nodes(ast.Slice) if (n.lower is None) != (n.upper is None) and n.step is None]
    node = _pick(dice, slices)
    if node is None:
        return None
    bound = node.lower or node.upper
    assert bound is not None
    old = module.source(bound)
    new = old.removeprefix("-") if old.startswith("-") else f"-{old}"
    new = f":{new}" if node.lower else f"{new}:"
    return Mutation(apply(module, replace_node(module, node, new)), f"the slice in line {bound.lineno} becomes [{new}]")


MUTATORS: tuple[Mutator, ...] = (constant, constant, condition, boolean_operator, deletion, statement_swap, slice_end)


def mutate(module: ParsedFile, dice: Random) -> Mutation | None:
    """Apply one random mutation to a file; None if the one drawn does not apply or breaks the syntax."""
    change = dice.choice(MUTATORS)(module, dice)
    if change is None or change.text == module.text or parse(module.path, change.text) is None:
        return None
    return change
