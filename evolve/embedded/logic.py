"""Mutation operators on comparisons and conditions. Each changes one node; none knows the tasks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from evolve.embedded.places import SIGNS, between
from evolve.embedded.source import Site, Source, SourceChange

Changes = Iterator[SourceChange]

_BOUNDARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}


_FLIPPED = {
    "<": (">", ">="), "<=": (">=", ">"), ">": ("<", "<="), ">=": ("<=", "<"), "==": ("!=", ">=", "<="),
    "!=": ("==", "<", ">"), "is": ("is not",), "is not": ("is",), "in": ("not in",), "not in": ("in",),
}  # fmt: skip


_ERRORS = (
    "ValueError",
    "KeyError",
    "IndexError",
    "TypeError",
    "AttributeError",
    "ZeroDivisionError",
    "LookupError",
)


def comparison_boundary(source: Source, site: Site, node: ast.expr) -> Changes:
    """Include or exclude the boundary: `<` and `<=`, `>` and `>=`."""
    assert isinstance(node, ast.Compare)
    operands = [node.left, *node.comparators]
    for at, operator in enumerate(node.ops):
        sign = SIGNS[type(operator)]
        if sign in _BOUNDARY:
            yield from between(source, operands[at], operands[at + 1], sign, _BOUNDARY[sign])


def comparison_flip(source: Source, site: Site, node: ast.expr) -> Changes:
    """Turn a comparison into its opposite, or swap its operands."""
    assert isinstance(node, ast.Compare)
    operands = [node.left, *node.comparators]
    for at, operator in enumerate(node.ops):
        sign = SIGNS[type(operator)]
        for rank, other in enumerate(_FLIPPED[sign]):
            yield from between(source, operands[at], operands[at + 1], sign, other, 0.6**rank)
        if at == 0 and len(node.ops) == 1 and sign in _BOUNDARY:
            swapped = f"{source.segment(operands[1])} {sign} {source.segment(operands[0])}"
            yield source.replacement(node, swapped, 0.2)


def identity(source: Source, site: Site, node: ast.expr) -> Changes:
    """Exchange `is` and `==`, or a comparison with None and a truth test."""
    assert isinstance(node, ast.Compare)
    if len(node.ops) == 1:
        sign = SIGNS[type(node.ops[0])]
        none = isinstance(node.comparators[0], ast.Constant) and node.comparators[0].value is None
        swap = {"is": "==", "is not": "!="} | ({"==": "is", "!=": "is not"} if none else {})
        if sign in swap:
            yield from between(source, node.left, node.comparators[0], sign, swap[sign])
        if none:
            negated = sign in ("is", "==")
            yield source.replacement(node, ("not " if negated else "") + source.segment(node.left), 0.8)


def boolean(source: Source, site: Site, node: ast.expr) -> Changes:
    """Exchange `and` and `or`."""
    assert isinstance(node, ast.BoolOp)
    old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    for left, right in pairwise(node.values):
        yield from between(source, left, right, old, new)


def negation(source: Source, site: Site, node: ast.expr) -> Changes:
    """Add or remove a `not` or a minus sign."""
    parent, name = site.inner[node]
    if isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.Not):
            yield source.replacement(node, source.segment(node.operand))
        elif isinstance(node.op, ast.USub):
            yield source.replacement(node, source.segment(node.operand), 0.5)
        return
    condition = name == "test" or name == "ifs" or isinstance(parent, ast.BoolOp)
    if condition and not isinstance(node, ast.Compare | ast.BoolOp):
        yield source.replacement(node, f"not {source.segment(node)}")
        yield source.replacement(node, f"{source.segment(node)} is not None", 0.5)
    elif name == "test" and isinstance(node, ast.BoolOp):
        yield source.replacement(node, f"not ({source.segment(node)})", 0.4)
    elif name == "value" and isinstance(parent, ast.Return) and isinstance(node, ast.Compare | ast.BoolOp | ast.Call):
        yield source.replacement(
            node,
            f"not ({source.segment(node)})" if isinstance(node, ast.BoolOp) else f"not {source.segment(node)}",
            0.4,
        )


def regroup(source: Source, site: Site, node: ast.expr) -> Changes:
    """Move or drop the parentheses of two adjacent operators."""
    values = (
        [node.left, node.right] if isinstance(node, ast.BinOp) else node.values if isinstance(node, ast.BoolOp) else []
    )
    for child in values:
        if not isinstance(child, ast.BinOp | ast.BoolOp):
            continue
        start, end = source.begin(child), source.end(child)
        if source.parenthesised(child):
            left, right = source.data.rfind(b"(", 0, start), source.data.find(b")", end)
            yield SourceChange(((left, left + 1, ""), (right, right + 1, "")))
        elif isinstance(node, ast.BinOp) and isinstance(child, ast.BinOp):
            yield from _add_parentheses(source, node, child)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and isinstance(node.operand, ast.BoolOp):
        first = node.operand.values[0]
        yield source.replacement(
            node, f"not {source.segment(first)}{source.cut(source.end(first), source.end(node.operand))}"
        )


def _add_parentheses(source: Source, node: ast.BinOp, child: ast.BinOp) -> Changes:
    if child is node.right:
        yield SourceChange(
            (
                (source.begin(node), source.begin(node), "("),
                (source.end(child.left), source.end(child.left), ")"),
            )
        )
    else:
        start, end = source.begin(child.right), source.end(node)
        yield SourceChange(((start, start, "("), (end, end, ")")))


def condition_part(source: Source, site: Site, node: ast.expr) -> Changes:
    """Drop one operand of a condition, or the filter of a comprehension."""
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            rest = [source.segment(other) for other in node.values if other is not value]
            joiner = " and " if isinstance(node.op, ast.And) else " or "
            yield source.replacement(node, joiner.join(rest))
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        last = node.generators[-1]
        if last.ifs:
            yield SourceChange(((source.end(last.iter), source.end(last.ifs[-1]), ""),), 0.6)


def condition_extension(source: Source, site: Site, node: ast.expr) -> Changes:
    """Join a condition with another one of the function, or with a simple test of a name."""
    _, name = site.inner[node]
    if name not in ("test", "ifs"):
        return
    text = source.segment(node)
    whole = f"({text})" if isinstance(node, ast.BoolOp | ast.IfExp) else text
    for donor, factor in _more_conditions(site, node, text):
        guard = f"({donor})" if " or " in donor or " if " in donor else donor
        yield source.replacement(node, f"{guard} and {whole}", factor)
        yield source.replacement(node, f"{text} or {donor}", 0.7 * factor)


def _more_conditions(site: Site, node: ast.expr, text: str) -> list[tuple[str, float]]:
    used = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    factors = {donor: 1.0 for donor in site.scope.conditions[:5] if donor not in text}
    for variable in site.scope.names.values[:5]:
        near = 0.8 if variable in used else 0.5
        factors |= {variable: near, f"not {variable}": 0.7 * near}
        if variable in used:
            factors |= {f"{variable} is not None": near, f"{variable} > 0": 0.6 * near}
    return [(donor, factor) for donor, factor in factors.items() if donor not in (text, f"not {text}")][:12]


def exception_type(source: Source, site: Site, node: ast.expr) -> Changes:
    """Exchange an exception's type, or catch a second one."""
    if not isinstance(node, ast.Name) or not node.id.endswith(("Error", "Exception")):
        return
    for name in dict.fromkeys((*source.raised, *_ERRORS)):
        if name != node.id:
            yield source.replacement(node, name, 1.0 if name in source.raised else 0.6)
    parent, _ = site.inner[node]
    if isinstance(parent, ast.ExceptHandler):
        for name in ("KeyError", "ValueError", "TypeError", "IndexError"):
            if name != node.id:
                yield source.replacement(node, f"({node.id}, {name})", 0.5)
