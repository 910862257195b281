"""Changes to program text at places found in its syntax tree; mutations that know nothing of its purpose."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import TypeVar

Node = TypeVar("Node", bound=ast.AST)

# A piece of text to replace: its start, its end (in characters), the new text.
Change = tuple[int, int, str]


@dataclass(frozen=True)
class ParsedFile:
    """A parsed file: its path, its text, its tree and each node's parent."""

    path: str
    text: str
    tree: ast.Module
    parents: dict[ast.AST, ast.AST] = field(repr=False)

    def all(self, kind: type[Node]) -> list[Node]:
        """The nodes of one kind, in the order of the text."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, kind)]
        return sorted(found, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))

    def up(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def around(self, node: ast.AST, kind: type[Node]) -> Node | None:
        """The innermost node of a kind around a node."""
        return next((outer for outer in self.up(node) if isinstance(outer, kind)), None)

    def statement(self, node: ast.AST) -> ast.stmt:
        """The statement that a node belongs to; the node itself where it is one."""
        return node if isinstance(node, ast.stmt) else next(n for n in self.up(node) if isinstance(n, ast.stmt))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node starts and ends in the text, in characters."""
        start = _offset(self.text, getattr(node, "lineno", 1), getattr(node, "col_offset", 0))
        end = _offset(self.text, getattr(node, "end_lineno", 1) or 1, getattr(node, "end_col_offset", 0) or 0)
        return start, end

    def source(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.text[start:end]


def parse(path: str, text: str) -> ParsedFile | None:
    """The parsed file; None where it is no Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    return ParsedFile(path, text, tree, parents)


def _offset(text: str, line: int, column: int) -> int:
    lines = text.split("\n")
    return sum(len(one) + 1 for one in lines[: line - 1]) + len(lines[line - 1].encode()[:column].decode())


def swap(module: ParsedFile, node: ast.AST, new: str) -> Change:
    """A node's own text replaced."""
    return (*module.span(node), new)


def ahead(module: ParsedFile, statement: ast.stmt, code: str) -> Change:
    """Code put before a statement, indented as it is."""
    start = _offset(module.text, statement.lineno, 0)
    return start, start, _indented(module, statement, code) + "\n"


def behind(module: ParsedFile, statement: ast.stmt, code: str) -> Change:
    """Code put after a statement, indented as it is."""
    end = module.span(statement)[1]
    return end, end, "\n" + _indented(module, statement, code)


def instead(module: ParsedFile, statement: ast.stmt, code: str) -> Change:
    """Code put in a statement's place, indented as it was."""
    return (
        _offset(module.text, statement.lineno, 0),
        module.span(statement)[1],
        _indented(module, statement, code),
    )


def _indented(module: ParsedFile, statement: ast.stmt, code: str) -> str:
    first = module.text.split("\n")[statement.lineno - 1]
    return textwrap.indent(code.strip("\n"), first[: len(first) - len(first.lstrip())])


def applied(module: ParsedFile, *changes: Change) -> str:
    """The text with all of the changes, which must not overlap."""
    text = module.text
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def imported(text: str, name: str) -> str:
    """The text with `import name` among its imports; unchanged where it is there."""
    module = parse("", text)
    if module is None or re.search(rf"^import {re.escape(name)}$", text, re.MULTILINE):
        return text
    imports = [node for node in module.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if imports:
        return applied(module, behind(module, imports[-1], f"import {name}"))
    return f"import {name}\n{text}"


@dataclass(frozen=True)
class Mutation:
    """The new text of one file, and in words what was changed."""

    text: str
    what: str


Mutator = Callable[[ParsedFile, Random], Mutation | None]


def _pick(dice: Random, nodes: Sequence[Node]) -> Node | None:
    return dice.choice(nodes) if nodes else None


def constant(module: ParsedFile, dice: Random) -> Mutation | None:
    """Another number, or the other truth value."""
    node = _pick(dice, [n for n in module.all(ast.Constant) if isinstance(n.value, bool | int | float)])
    if node is None or not isinstance(node.value, int | float):
        return None
    new = not node.value if isinstance(node.value, bool) else other_number(node.value, dice)
    what = f"the value {node.value} in line {node.lineno} becomes {new}"
    return Mutation(applied(module, swap(module, node, repr(new))), what)


def other_number(value: int | float, dice: Random) -> int | float:
    """A number near another: twice, half, or one more or less."""
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
    """A condition made its opposite."""
    node = _pick(dice, [*map(_test, module.all(ast.If)), *map(_test, module.all(ast.While))])
    if node is None:
        return None
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        sides = module.source(node.left), module.source(node.comparators[0])
        new = f"{sides[0]} {_OPPOSITE[type(node.ops[0])]} {sides[1]}"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        new = module.source(node.operand)
    else:
        new = f"not ({module.source(node)})"
    return Mutation(applied(module, swap(module, node, new)), f"the condition in line {node.lineno} becomes `{new}`")


def joined(module: ParsedFile, dice: Random) -> Mutation | None:
    """`and` for `or`, or `or` for `and`."""
    node = _pick(dice, module.all(ast.BoolOp))
    if node is None:
        return None
    word = " or " if isinstance(node.op, ast.And) else " and "
    new = word.join(module.source(value) for value in node.values)
    return Mutation(applied(module, swap(module, node, f"({new})")), f"line {node.lineno} reads `{new}`")


def _simple(module: ParsedFile) -> list[ast.stmt]:
    kinds = (ast.Expr, ast.Assign, ast.AugAssign, ast.Return, ast.If, ast.Raise, ast.Continue, ast.Break)
    return [node for node in module.all(ast.stmt) if isinstance(node, kinds) and _alone(module, node)]


def _alone(module: ParsedFile, node: ast.stmt) -> bool:
    """Whether the statement has its lines for itself and is neither a docstring nor an `elif`."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return False
    lines = module.text.split("\n")
    first, last = lines[node.lineno - 1], lines[(node.end_lineno or node.lineno) - 1]
    head = first.encode()[: node.col_offset].strip()
    tail = last.encode()[node.end_col_offset or 0 :].strip()
    return not head and not tail.startswith(b";") and not first.strip().startswith("elif")


def deleted(module: ParsedFile, dice: Random) -> Mutation | None:
    """A statement left out."""
    node = _pick(dice, _simple(module))
    if node is None:
        return None
    shown = module.source(node).split("\n")[0]
    return Mutation(applied(module, instead(module, node, "pass")), f"line {node.lineno}, `{shown}`, is left out")


def moved(module: ParsedFile, dice: Random) -> Mutation | None:
    """Two neighbouring statements exchanged."""
    simple = set(_simple(module))
    pairs = [(one, two) for block in _blocks(module) for one, two in pairwise(block) if {one, two} <= simple]
    if not pairs:
        return None
    one, two = dice.choice(pairs)
    lines = module.text.split("\n")
    ends = one.end_lineno or one.lineno, two.end_lineno or two.lineno
    middle = lines[ends[0] : two.lineno - 1]
    swapped = [*lines[two.lineno - 1 : ends[1]], *middle, *lines[one.lineno - 1 : ends[0]]]
    text = "\n".join([*lines[: one.lineno - 1], *swapped, *lines[ends[1] :]])
    return Mutation(text, f"the statements in lines {one.lineno} and {two.lineno} change places")


def _blocks(module: ParsedFile) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(module.tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield block


def cut_side(module: ParsedFile, dice: Random) -> Mutation | None:
    """The other end of a slice: the tail for the head, the head for the tail."""
    slices = [n for n in module.all(ast.Slice) if (n.lower is None) != (n.upper is None) and n.step is None]
    node = _pick(dice, slices)
    if node is None:
        return None
    bound = node.lower or node.upper
    assert bound is not None
    words = module.source(bound)
    new = words.removeprefix("-") if words.startswith("-") else f"-{words}"
    new = f":{new}" if node.lower else f"{new}:"
    return Mutation(applied(module, swap(module, node, new)), f"the slice in line {bound.lineno} becomes [{new}]")


MUTATORS: tuple[Mutator, ...] = (constant, constant, condition, joined, deleted, moved, cut_side)


def mutated(module: ParsedFile, dice: Random) -> Mutation | None:
    """One random mutation of a file; None where the one drawn has no place or would not parse."""
    change = dice.choice(MUTATORS)(module, dice)
    if change is None or change.text == module.text or parse(module.path, change.text) is None:
        return None
    return change
