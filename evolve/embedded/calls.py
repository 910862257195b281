"""Mutation operators on calls and arguments: each changes one node; none knows any task."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from evolve.embedded.places import callee_of, role, swapped
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
    """A function or method exchanged for one that is often mistaken for it."""
    assert isinstance(node, ast.Call)
    old, start, end = callee_of(source, node)
    twins = dict.fromkeys(name for group in _TWINS if old in group for name in group if name != old)
    for rank, name in enumerate(twins):
        yield SourceChange(((start, end, name),), max(0.4, 1.0 - 0.15 * rank))


def other_method(source: Source, site: Site, node: ast.expr) -> Changes:
    """A method exchanged for another one that the file calls."""
    assert isinstance(node, ast.Call)
    old, start, end = callee_of(source, node)
    if isinstance(node.func, ast.Attribute):
        for name in sorted(source.methods - {old})[:8]:
            yield SourceChange(((start, end, name),))


def argument_swap(source: Source, site: Site, node: ast.expr) -> Changes:
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Sub | ast.Div | ast.FloorDiv | ast.Mod | ast.Add):
            plain = not isinstance(node.op, ast.Add) or isinstance(node.left, ast.Name | ast.Call | ast.Subscript)
            yield from swapped(source, node.left, node.right, 0.5 if plain else 0.3)
        return
    items = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
    for left, right in pairwise(items):
        yield from swapped(source, left, right, 1.0 if isinstance(node, ast.Call) else 0.7)
    if len(items) == 3:
        yield from swapped(source, items[0], items[2], 0.4)


def argument_count(source: Source, site: Site, node: ast.expr) -> Changes:
    """An argument dropped, or one handed on that the called function of this file takes."""
    assert isinstance(node, ast.Call)
    if len(node.args) + len(node.keywords) > 1:
        last = node.keywords[-1] if node.keywords else node.args[-1]
        before = node.keywords[-2] if len(node.keywords) > 1 else node.args[-1] if node.keywords else node.args[-2]
        yield SourceChange(((source.end(before), source.end(last), ""),), 0.5)
    callee = node.func
    name = callee.id if isinstance(callee, ast.Name) else callee.attr if isinstance(callee, ast.Attribute) else ""
    known = source.functions.get(name)
    if not known or not (node.args or node.keywords):
        return
    params = [arg.arg for arg in (*known.args.args, *known.args.kwonlyargs) if arg.arg not in ("self", "cls")]
    given = {keyword.arg for keyword in node.keywords}
    at = source.end([*node.args, *[keyword.value for keyword in node.keywords]][-1])
    for param in params[len(node.args) :]:
        if param not in given and param in site.scope.names.values:
            yield SourceChange(((at, at, f", {param}"),), 1.0)
            yield SourceChange(((at, at, f", {param}={param}"),), 0.6)


def wrap(source: Source, site: Site, node: ast.expr) -> Changes:
    """A value put into a call that converts, orders, measures or bounds it."""
    _, name = site.inner[node]
    if isinstance(getattr(node, "ctx", None), ast.Store) or name == "func":
        return
    place, text = "iter" if name == "iter" else role(site, node), source.segment(node)
    callee = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
    for rank, word in enumerate(_WRAPS.get(place, ())):
        if word != callee:
            yield source.put(node, f"{word}({text})", 0.95**rank)
    if place in ("return", "assign") and isinstance(node, ast.BinOp):
        yield source.put(node, f"max(0, {text})", 0.8)


def chained(source: Source, site: Site, node: ast.expr) -> Changes:
    """A method of text or of a mapping called on a value."""
    parent, name = site.inner[node]
    if isinstance(getattr(node, "ctx", None), ast.Store) or name == "func":
        return
    told = role(site, node) in ("assign", "argument", "index", "compare", "return")
    methods = ("items", "values") if name == "iter" else ("strip", "lower")
    if not (told or name in ("iter", "elt", "key") or isinstance(parent, ast.IfExp)):
        return
    for method in methods:
        yield source.put(node, f"{source.segment(node)}.{method}()")


def reversal(source: Source, site: Site, node: ast.expr) -> Changes:
    """A value that is handed on in the opposite order."""
    if not isinstance(getattr(node, "ctx", None), ast.Store) and role(site, node) in ("return", "assign"):
        yield source.put(node, f"{source.segment(node)}[::-1]")


def unwrap(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.Call)
    if len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
        inside = source.segment(node.args[0])
        yield source.put(node, f"({inside})" if isinstance(node.args[0], ast.GeneratorExp) else inside, 0.8)
    if isinstance(node.func, ast.Attribute):
        yield source.put(node, source.segment(node.func.value), 0.6)


def copied(source: Source, site: Site, node: ast.expr) -> Changes:
    """A value kept or handed out by reference, copied."""
    if isinstance(getattr(node, "ctx", None), ast.Store) or role(site, node) not in (
        "assign",
        "return",
        "argument",
    ):
        return
    text = source.segment(node)
    for rank, copy in enumerate((f"list({text})", f"dict({text})", f"{text}.copy()")):
        yield source.put(node, copy, 0.8**rank)


def range_args(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.Call)
    if not isinstance(node.func, ast.Name) or node.func.id != "range":
        return
    args = [source.segment(arg) for arg in node.args]
    if len(args) == 1:
        yield source.put(node, f"range(1, {args[0]})")
        yield source.put(node, f"range(1, {args[0]} + 1)")
        yield source.put(node, f"range(len({args[0]}))", 0.3)
        yield source.put(node, f"range({args[0]} - 1, -1, -1)", 0.5)
    elif len(args) == 2:
        yield source.put(node, f"range({args[1]})", 0.7)
        yield source.put(node, f"range({args[0]} + 1, {args[1]} + 1)", 0.7)
        yield source.put(node, f"range({args[1]}, {args[0]}, -1)", 0.3)
    elif len(args) == 3:
        yield source.put(node, f"range({args[0]}, {args[1]})", 0.7)
        yield source.put(node, f"range({args[0]}, {args[1]}, -{args[2]})", 0.4)


def ordering(source: Source, site: Site, node: ast.expr) -> Changes:
    """`reverse` and `key` of what sorts or picks, added, dropped or changed."""
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
        yield source.put(body, f"-{source.segment(body)}", 0.6)
        if isinstance(body, ast.Tuple):
            yield from (source.put(part, f"-{source.segment(part)}", 0.6) for part in body.elts)
