"""The role of an expression in its statement, and the changes that several operators share."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from evolve.embedded.source import Site, Source, SourceChange

Changes = Iterator[SourceChange]

SIGNS: dict[type[ast.AST], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.MatMult: "@",
}  # fmt: skip


STEP_FACTOR = {
    "index": 1.0,
    "slice": 1.0,
    "range": 1.2,
    "compare": 1.0,
    "return": 0.5,
    "assign": 0.5,
    "argument": 0.3,
}


def between(source: Source, left: ast.expr, right: ast.expr, old: str, new: str, factor: float = 1.0) -> Changes:
    """Replace the operator between two operands."""
    start, end = source.end(left), source.begin(right)
    pattern = r"\s+".join(re.escape(word) for word in old.split())
    match = re.search(pattern, source.cut(start, end))
    if match:
        offset = len(source.cut(start, end)[: match.start()].encode())
        yield SourceChange(((start + offset, start + offset + len(match[0].encode()), new),), factor)


def role(site: Site, node: ast.expr) -> str:
    """The role of a node: index, slice, range, compare, term, return, assign, argument, or ""."""
    parent, name = site.inner.get(node, (site.node, ""))
    if isinstance(parent, ast.Slice):
        return "slice"
    if isinstance(parent, ast.Subscript):
        return "index" if name == "slice" else ""
    if isinstance(parent, ast.Call):
        called = parent.func.id if isinstance(parent.func, ast.Name) else ""
        return "" if name == "func" else "range" if called == "range" else "argument"
    if isinstance(parent, ast.Compare):
        return "compare"
    if isinstance(parent, ast.BinOp):
        return "term"
    return {ast.Return: "return", ast.Assign: "assign", ast.AugAssign: "assign"}.get(type(parent), "")


def callee_of(source: Source, node: ast.Call) -> tuple[str, int, int]:
    """The called name (the last part of a dotted one) with its start and end."""
    callee = node.func
    name = callee.id if isinstance(callee, ast.Name) else callee.attr if isinstance(callee, ast.Attribute) else ""
    return name, source.end(callee) - len(name.encode()), source.end(callee)


def swap_operands(source: Source, left: ast.expr, right: ast.expr, factor: float) -> Changes:
    """Swap the texts of two expressions."""
    a, b = source.segment(left), source.segment(right)
    yield SourceChange(((source.begin(left), source.end(left), b), (source.begin(right), source.end(right), a)), factor)
