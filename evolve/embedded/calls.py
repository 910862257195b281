"""Mutation operators on calls and arguments. Each changes one node; none knows the tasks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from evolve.embedded.places import callee_of, role, swap_operands
from evolve.embedded.source import Site, Source, SourceChange

Changes = Iterator[SourceChange]

_TWINS = (
    ("append", "extend", "add", "insert"), ("lower", "upper", "title", "capitalize", "casefold"),
    ("strip", "lstrip", "rstrip"), ("find", "rfind", "index", "rindex"), ("startswith", "endswith"),
    ("split", "rsplit", "splitlines", "partition"), ("partition", "rpartition"), ("keys", "values", "items"),
    ("pop", "popleft", "remove", "get"), ("append", "appendleft"), ("discard", "remove"), ("add", "update"),
    ("union", "intersection", "difference", "symmetric_difference"), ("issubset", "issuperset"),
    ("isdigit", "isalpha", "isalnum", "isnumeric", "isspace"), ("ljust", "rjust", "center", "zfill"),
    ("match", "search", "fullmatch"), ("read", "readline", "readlines"), ("get", "setdefault"),
    ("min", "max"), ("any", "all"), ("floor", "ceil", "round", "int"), ("sorted", "list", "reversed"),
    ("set", "list", "tuple", "sorted"), ("len", "sum", "max"), ("int", "float"), ("str", "repr"),
    ("range", "enumerate"), ("heappush", "heappop"), ("bisect_left", "bisect_right"), ("dict", "defaultdict"),
    ("isupper", "islower"), ("encode", "decode"), ("loads", "load"), ("dumps", "dump"),
)  # fmt: skip


_WRAPS = {
    "iter": ("sorted", "list", "reversed", "set"),
    "return": ("list", "sorted", "int", "len", "abs", "sum", "str", "tuple"),
    "assign": ("list", "sorted", "int", "len", "abs", "str"),
    "argument": ("int", "str", "abs", "len", "list"),
    "compare": ("len", "int", "abs"),
    "term": ("len", "int", "str", "abs"),
    "index": ("int",),
}


def twin_call(source: Source, site: Site, node: ast.expr) -> Changes:
    """Exchange a function or method for one that is often confused with it."""
    assert isinstance(node, ast.Call)
    old, start, end = callee_of(source, node)
    twins = dict.fromkeys(name for group in _TWINS if old in group for name in group if name != old)
    for rank, name in enumerate(twins):
        yield SourceChange(((start, end, name),), max(0.4, 1.0 - 0.15 * rank))


def other_method(source: Source, site: Site, node: ast.expr) -> Changes:
    """Exchange a method for another one that the file calls."""
    assert isinstance(node, ast.Call)
    old, start, end = callee_of(source, node)
    if isinstance(node.func, ast.Attribute):
        for name in sorted(source.methods - {old})[:8]:
            yield SourceChange(((start, end, name),))


def argument_swap(source: Source, site: Site, node: ast.expr) -> Changes:
    """Swap neighbouring arguments, elements or operands."""
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Sub | ast.Div | ast.FloorDiv | ast.Mod | ast.Add):
            plain = not isinstance(node.op, ast.Add) or isinstance(node.left, ast.Name | ast.Call | ast.Subscript)
            yield from swap_operands(source, node.left, node.right, 0.5 if plain else 0.3)
        return
    items = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
    for left, right in pairwise(items):
        yield from swap_operands(source, left, right, 1.0 if isinstance(node, ast.Call) else 0.7)
    if len(items) == 3:
        yield from swap_operands(source, items[0], items[2], 0.4)


def argument_count(source: Source, site: Site, node: ast.expr) -> Changes:
    """Drop the last argument, or pass a local to a parameter of the same name."""
    assert isinstance(node, ast.Call)
    if len(node.args) + len(node.keywords) > 1:
        last = node.keywords[-1] if node.keywords else node.args[-1]
        before = node.keywords[-2] if len(node.keywords) > 1 else node.args[-1] if node.keywords else node.args[-2]
        yield SourceChange(((source.end(before), source.end(last), ""),), 0.5)
    callee = node.func
    name = callee.id if isinstance(callee, ast.Name) else callee.attr if isinstance(callee, ast.Attribute) else ""
    definition = source.functions.get(name)
    if not definition or not (node.args or node.keywords):
        return
    params = [arg.arg for arg in (*definition.args.args, *definition.args.kwonlyargs) if arg.arg not in ("self", "cls")]
    given = {keyword.arg for keyword in node.keywords}
    at = source.end([*node.args, *[keyword.value for keyword in node.keywords]][-1])
    for param in params[len(node.args) :]:
        if param not in given and param in site.scope.names.values:
            yield SourceChange(((at, at, f", {param}"),), 1.0)
            yield SourceChange(((at, at, f", {param}={param}"),), 0.6)


def wrap(source: Source, site: Site, node: ast.expr) -> Changes:
    """Wrap a value in a call that converts, orders, measures or bounds it."""
    _, name = site.inner[node]
    if isinstance(getattr(node, "ctx", None), ast.Store) or name == "func":
        return
    place, text = "iter" if name == "iter" else role(site, node), source.segment(node)
    callee = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
    for rank, function in enumerate(_WRAPS.get(place, ())):
        if function != callee:
            yield source.replacement(node, f"{function}({text})", 0.95**rank)
    if place in ("return", "assign") and isinstance(node, ast.BinOp):
        yield source.replacement(node, f"max(0, {text})", 0.8)


def method_call(source: Source, site: Site, node: ast.expr) -> Changes:
    """Call a method of strings or mappings on a value."""
    parent, name = site.inner[node]
    if isinstance(getattr(node, "ctx", None), ast.Store) or name == "func":
        return
    usable = role(site, node) in ("assign", "argument", "index", "compare", "return")
    methods = ("items", "values") if name == "iter" else ("strip", "lower")
    if not (usable or name in ("iter", "elt", "key") or isinstance(parent, ast.IfExp)):
        return
    for method in methods:
        yield source.replacement(node, f"{source.segment(node)}.{method}()")


def reversal(source: Source, site: Site, node: ast.expr) -> Changes:
    """Reverse a value that is returned or assigned."""
    if not isinstance(getattr(node, "ctx", None), ast.Store) and role(site, node) in ("return", "assign"):
        yield source.replacement(node, f"{source.segment(node)}[::-1]")


def unwrap(source: Source, site: Site, node: ast.expr) -> Changes:
    """Replace a call by its argument, or by the object whose method it calls."""
    assert isinstance(node, ast.Call)
    if len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
        inside = source.segment(node.args[0])
        yield source.replacement(node, f"({inside})" if isinstance(node.args[0], ast.GeneratorExp) else inside, 0.8)
    if isinstance(node.func, ast.Attribute):
        yield source.replacement(node, source.segment(node.func.value), 0.6)


def copy(source: Source, site: Site, node: ast.expr) -> Changes:
    """Copy a value that is assigned, returned or passed by reference."""
    if isinstance(getattr(node, "ctx", None), ast.Store) or role(site, node) not in (
        "assign",
        "return",
        "argument",
    ):
        return
    text = source.segment(node)
    for rank, copy in enumerate((f"list({text})", f"dict({text})", f"{text}.copy()")):
        yield source.replacement(node, copy, 0.8**rank)


def range_args(source: Source, site: Site, node: ast.expr) -> Changes:
    """Change the bounds or the direction of a `range`."""
    assert isinstance(node, ast.Call)
    if not isinstance(node.func, ast.Name) or node.func.id != "range":
        return
    args = [source.segment(arg) for arg in node.args]
    if len(args) == 1:
        yield source.replacement(node, f"range(1, {args[0]})")
        yield source.replacement(node, f"range(1, {args[0]} + 1)")
        yield source.replacement(node, f"range(len({args[0]}))", 0.3)
        yield source.replacement(node, f"range({args[0]} - 1, -1, -1)", 0.5)
    elif len(args) == 2:
        yield source.replacement(node, f"range({args[1]})", 0.7)
        yield source.replacement(node, f"range({args[0]} + 1, {args[1]} + 1)", 0.7)
        yield source.replacement(node, f"range({args[1]}, {args[0]}, -1)", 0.3)
    elif len(args) == 3:
        yield source.replacement(node, f"range({args[0]}, {args[1]})", 0.7)
        yield source.replacement(node, f"range({args[0]}, {args[1]}, -{args[2]})", 0.4)


def ordering(source: Source, site: Site, node: ast.expr) -> Changes:
    """Add, drop or change `reverse` and `key` of a sorting or selecting call."""
    assert isinstance(node, ast.Call)
    callee = node.func
    name = callee.id if isinstance(callee, ast.Name) else callee.attr if isinstance(callee, ast.Attribute) else ""
    if name not in ("sorted", "sort", "min", "max", "nlargest", "nsmallest"):
        return
    given = {keyword.arg: keyword for keyword in node.keywords}
    parts = [*node.args, *[keyword.value for keyword in node.keywords]]
    at, comma = (source.end(parts[-1]), ", ") if parts else (source.end(node) - 1, "")
    if name in ("sorted", "sort") and "reverse" not in given:
        yield SourceChange(((at, at, f"{comma}reverse=True"),))
    if "key" not in given:
        for key in (
            "len",
            "lambda item: item[1]",
            "lambda item: item[0]",
            "lambda item: -item[1]",
            "str.lower",
            "abs",
        ):
            yield SourceChange(((at, at, f"{comma}key={key}"),), 0.5)
    for keyword in given.values():
        start = max(
            [source.end(arg) for arg in parts if source.end(arg) < source.begin(keyword)],
            default=source.begin(keyword),
        )
        yield SourceChange(((start, source.end(keyword), ""),), 0.7)
    if "key" in given and isinstance(given["key"].value, ast.Lambda):
        body = given["key"].value.body
        yield source.replacement(body, f"-{source.segment(body)}", 0.6)
        if isinstance(body, ast.Tuple):
            yield from (source.replacement(part, f"-{source.segment(part)}", 0.6) for part in body.elts)
