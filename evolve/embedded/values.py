"""Mutation operators on numbers, names, strings and indices. Each changes one node; none knows the tasks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from evolve.embedded.places import SIGNS, STEP_FACTOR, between, role, swap_operands
from evolve.embedded.source import Site, Source, SourceChange

Changes = Iterator[SourceChange]

_ARITHMETIC = {
    "+": ("-", "*"), "-": ("+",), "*": ("+", "/", "**"), "/": ("//", "*"), "//": ("/", "%"), "%": ("//", "/"),
    "**": ("*",), "|": ("&", "^"), "&": ("|",), "^": ("|",), "<<": (">>",), ">>": ("<<",), "@": (),
}  # fmt: skip


_COUNTERS = re.compile(
    r"^(?:[ijkmn]|lo|hi|low|high|left|right|mid|pos|start|end|stop|first|last|.*(?:index|idx|count|size|length|width|len|offset))$"
)


def off_by_one(source: Source, site: Site, node: ast.expr) -> Changes:
    """Add or subtract one, or drop a `+ 1` or `- 1`."""
    place = role(site, node)
    text, factor = source.segment(node), STEP_FACTOR.get(place, 0.5)
    if isinstance(node, ast.Constant):
        if type(node.value) is int:
            yield source.replacement(node, str(node.value + 1), factor)
            if node.value:
                yield source.replacement(node, str(node.value - 1), factor)
    elif isinstance(node, ast.BinOp):
        yield from _drop_step(source, node)
        if place in STEP_FACTOR and isinstance(node.op, ast.Add | ast.Sub | ast.FloorDiv):
            yield source.replacement(node, f"{text} + 1", 0.6 * factor)
            yield source.replacement(node, f"{text} - 1", 0.6 * factor)
    elif place in STEP_FACTOR and _is_counter(node, place):
        yield source.replacement(node, f"{text} + 1", factor)
        yield source.replacement(node, f"{text} - 1", factor)


def _drop_step(source: Source, node: ast.BinOp) -> Changes:
    is_one = isinstance(node.right, ast.Constant) and node.right.value == 1
    if is_one and isinstance(node.op, ast.Add | ast.Sub):
        sign = "-" if isinstance(node.op, ast.Add) else "+"
        yield source.replacement(node, source.segment(node.left), 1.2)
        yield source.replacement(node, f"{source.segment(node.left)} {sign} 1", 0.8)


def _is_counter(node: ast.expr, place: str) -> bool:
    """Whether the expression is probably an integer."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("len", "int", "max", "min", "sum", "abs")
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    if isinstance(getattr(node, "ctx", None), ast.Store) or not name:
        return False
    return place in ("slice", "range") or _COUNTERS.match(name) is not None or (place == "index" and len(name) < 3)


def arithmetic(source: Source, site: Site, node: ast.expr) -> Changes:
    """Exchange an arithmetic operator."""
    assert isinstance(node, ast.BinOp)
    if isinstance(node.left, ast.Constant | ast.JoinedStr) and isinstance(getattr(node.left, "value", ""), str):
        return
    sign = SIGNS[type(node.op)]
    for rank, other in enumerate(_ARITHMETIC[sign]):
        yield from between(source, node.left, node.right, sign, other, 0.6**rank)


def wrong_variable(source: Source, site: Site, node: ast.expr) -> Changes:
    """Exchange a name for another one of its scope."""
    assert isinstance(node, ast.Name)
    names, (parent, field) = site.scope.names, site.inner[node]
    if isinstance(parent, ast.Call) and field == "func":
        yield from _other_function(source, node)
        return
    if node.id in names.attributes:
        yield source.replacement(node, f"self.{node.id}", 0.7 if node.id in names.values else 1.5)
    if node.id in source.functions and node.id not in names.values:
        return
    beside = {inner.id for inner in ast.walk(parent) if isinstance(inner, ast.Name)}
    for kind in (names.params, names.loops, names.others):
        for name in [name for name in kind if name != node.id][:6]:
            alike = (1.0 if node.id in kind else 0.7) * _kinship(node.id, name)
            yield source.replacement(node, name, alike * (0.5 if name in beside else 1.0))


def _kinship(old: str, new: str) -> float:
    """The weight of exchanging two names: higher if they look alike or both have one letter."""
    if len(old) == len(new) == 1:
        return 1.3
    parts = set(old.lower().split("_")) & set(new.lower().split("_"))
    return 1.4 if parts or old.rstrip("s") == new.rstrip("s") else 1.0


def _other_function(source: Source, node: ast.Name) -> Changes:
    known = source.functions.get(node.id)
    if known:
        for name, other in source.functions.items():
            if name != node.id and len(other.args.args) == len(known.args.args):
                yield source.replacement(node, name, 0.7)


def wrong_attribute(source: Source, site: Site, node: ast.expr) -> Changes:
    """Exchange an attribute of `self` for another one, or for the parameter of its name."""
    assert isinstance(node, ast.Attribute)
    parent, name = site.inner[node]
    at = source.end(node) - len(node.attr.encode())
    if isinstance(parent, ast.Call) and name == "func":
        return
    if isinstance(node.value, ast.Name) and node.value.id == "self":
        for other in site.scope.names.attributes:
            if other != node.attr:
                yield SourceChange(((at, source.end(node), other),), _kinship(node.attr, other))
        if node.attr in site.scope.names.params:
            yield source.replacement(node, node.attr, 0.8)


def slice_bounds(source: Source, site: Site, node: ast.expr) -> Changes:
    """Change the bounds of a slice, drop it, or turn an index into one."""
    assert isinstance(node, ast.Subscript)
    part, whole = node.slice, source.segment(node.value)
    if isinstance(part, ast.Slice):
        low, high, step = (source.segment(value) if value else "" for value in (part.lower, part.upper, part.step))
        tail = f":{step}" if step else ""
        for text, factor in _bounds(low, high):
            yield source.replacement(node, f"{whole}[{text}{tail}]", factor)
        if step:
            yield source.replacement(node, f"{whole}[{low}:{high}]", 0.7)
        yield source.replacement(node, whole, 0.5)
    elif not isinstance(node.ctx, ast.Store) and not isinstance(part, ast.Constant | ast.Tuple):
        index = source.segment(part)
        yield source.replacement(node, f"{whole}[:{index}]", 0.3)
        yield source.replacement(node, f"{whole}[{index}:]", 0.3)


def _bounds(low: str, high: str) -> list[tuple[str, float]]:
    if low and high:
        return [(f"{low}:", 0.8), (f":{high}", 0.8), (f"{low}:{low} + {high}", 0.6)]
    if low:
        return [(f":{low}", 0.8), (":", 0.5), (f"{low}:-1", 0.3)]
    if high:
        return [(f"{high}:", 0.8), (":", 0.5), (f"-{high}:", 0.5), (f"1:{high}", 0.3)]
    return [("1:", 0.8), (":-1", 0.8), ("::-1", 0.8)]


def index_change(source: Source, site: Site, node: ast.expr) -> Changes:
    """Index the first, second or last element, or swap two indices."""
    assert isinstance(node, ast.Subscript)
    part = node.slice
    if isinstance(part, ast.Slice | ast.Tuple) or (isinstance(part, ast.Constant) and isinstance(part.value, str)):
        return
    text = source.segment(part)
    for other in ("0", "-1", "1"):
        if other != text:
            yield source.replacement(part, other, 1.0 if text in ("0", "-1", "1") else 0.5)
    outer = node.value
    if isinstance(outer, ast.Subscript) and not isinstance(outer.slice, ast.Slice):
        yield from swap_operands(source, outer.slice, part, 1.0)


def lookup(source: Source, site: Site, node: ast.expr) -> Changes:
    """Exchange `d[k]` and `d.get(k)`, with or without a default."""
    if isinstance(node, ast.Subscript):
        if isinstance(node.ctx, ast.Load) and not isinstance(node.slice, ast.Slice):
            whole, key = source.segment(node.value), source.segment(node.slice)
            for rank, rest in enumerate((", 0", "", ", []", ', ""')):
                yield source.replacement(node, f"{whole}.get({key}{rest})", 0.8**rank)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
        if not node.args:
            return
        whole, key = source.segment(node.func.value), source.segment(node.args[0])
        yield source.replacement(node, f"{whole}[{key}]", 0.7)
        for rank, rest in enumerate((", 0", ", None", ", []", ", {}", ', ""')):
            yield source.replacement(node, f"{whole}.{node.func.attr}({key}{rest})", 0.8 * 0.8**rank)


def expression_part(source: Source, site: Site, node: ast.expr) -> Changes:
    """Replace an expression by one of its operands, or swap the branches of a conditional."""
    if isinstance(node, ast.BinOp):
        yield source.replacement(node, source.segment(node.left))
        yield source.replacement(node, source.segment(node.right), 0.7)
    elif isinstance(node, ast.IfExp):
        yield from swap_operands(source, node.body, node.orelse, 1.0)
        yield source.replacement(node, source.segment(node.body), 0.5)


def constant(source: Source, site: Site, node: ast.expr) -> Changes:
    """Exchange a constant for another one."""
    assert isinstance(node, ast.Constant)
    value, text = node.value, source.segment(node)
    if isinstance(value, bool):
        yield source.replacement(node, str(not value), 1.5)
        yield source.replacement(node, "None", 0.3)
    elif value is None:
        for other, factor in (
            ("0", 0.6),
            ("[]", 0.6),
            ("True", 0.4),
            ("False", 0.5),
            ('""', 0.5),
            ("{}", 0.3),
        ):
            yield source.replacement(node, other, factor)
    elif isinstance(value, int | float):
        for other in dict.fromkeys(("0", "1", "-1", "2", f"-{text}", "None", 'float("inf")', 'float("-inf")')):
            if other not in (text, "-0"):
                yield source.replacement(node, other, 0.8 if other in ("0", "1", "-1") else 0.3)
    elif isinstance(value, str) and not text.lstrip("rbuRBU").startswith(('"""', "'''")):
        yield from _other_text(source, node, value)


def _other_text(source: Source, node: ast.Constant, value: str) -> Changes:
    others = {"": 0.7, " ": 0.7} if len(value) < 4 else {}
    others |= {other: 0.5 for other in source.strings if other != value and (len(other) < 4) == (len(value) < 4)}
    others |= {
        value.strip(): 0.7,
        value.lower(): 0.7,
        value.upper(): 0.4,
        f"{value} ": 0.4,
        f"^{value}": 0.2,
        f"{value}$": 0.2,
    }
    for other in list(others)[:12]:
        if other != value:
            yield source.replacement(
                node, repr(other) if "'" in source.segment(node)[:2] else _quoted(other), others[other]
            )


def _quoted(text: str) -> str:
    plain = repr(text)
    return plain if '"' in plain else f'"{plain[1:-1]}"'


def container(source: Source, site: Site, node: ast.expr) -> Changes:
    """Exchange an empty container for another one, or a list comprehension for a set comprehension."""
    text = source.segment(node)
    swaps = {
        "[]": ("{}", "set()", "None", "[0]", "[[]]"),
        "{}": ("[]", "set()", "None"),
        "set()": ("[]", "{}"),
    }
    for other in swaps.get(text, ()):
        yield source.replacement(node, other, 0.6)
    if isinstance(node, ast.ListComp):
        yield source.replacement(node, f"{{{text[1:-1]}}}", 0.4)


def formatting(source: Source, site: Site, node: ast.expr) -> Changes:
    """Change widths, precisions and conversions in format strings."""
    text = source.segment(node)
    if not isinstance(node, ast.JoinedStr) and "%" not in text and "{" not in text:
        return
    for match in re.finditer(r"(?<=[:.%<>^0,])(\d+)(?=[.\w}])", text):
        for step in (1, -1):
            number = max(0, int(match[1]) + step)
            yield source.replacement(node, f"{text[: match.start()]}{number}{text[match.end() :]}", 0.8)
    for old, new in (
        (":d}", ":02d}"),
        ("<", ">"),
        (">", "<"),
        (":", ":0"),
        ("%d", "%s"),
        (".2f", ""),
        (".1f", ".2f"),
        ("d}", "}"),
        ("}", ":.2f}"),
        ("}", ":02d}"),
    ):
        at = text.find(old)
        if at > 0:
            yield source.replacement(node, f"{text[:at]}{new}{text[at + len(old) :]}", 0.4)
