"""Mutation operators on expressions. Each yields changes of one node; none knows any task."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from evolve.embedded.source import Change, Site, Source

Changes = Iterator[Change]

_SIGNS: dict[type[ast.AST], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.MatMult: "@",
}  # fmt: skip
_BOUNDARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_FLIPPED = {
    "<": (">", ">="), "<=": (">=", ">"), ">": ("<", "<="), ">=": ("<=", "<"), "==": ("!=", ">=", "<="),
    "!=": ("==", "<", ">"), "is": ("is not",), "is not": ("is",), "in": ("not in",), "not in": ("in",),
}  # fmt: skip
_ARITHMETIC = {
    "+": ("-", "*"), "-": ("+",), "*": ("+", "/", "**"), "/": ("//", "*"), "//": ("/", "%"), "%": ("//", "/"),
    "**": ("*",), "|": ("&", "^"), "&": ("|",), "^": ("|",), "<<": (">>",), ">>": ("<<",), "@": (),
}  # fmt: skip
_TWINS = (
    ("append", "extend", "add", "insert"), ("lower", "upper", "title", "capitalize", "casefold"),
    ("strip", "lstrip", "rstrip"), ("find", "rfind", "index", "rindex"), ("startswith", "endswith"),
    ("split", "rsplit", "splitlines", "partition"), ("partition", "rpartition"), ("keys", "values", "items"),
    ("pop", "popleft", "remove", "get"), ("append", "appendleft"), ("discard", "remove"), ("add", "update"),
    ("union", "intersection", "difference", "symmetric_difference"), ("issubset", "issuperset"),
    ("isdigit", "isalpha", "isalnum", "isnumeric", "isspace"), ("ljust", "rjust", "center", "zfill"),
    ("match", "search", "fullmatch"), ("read", "readline", "readlines"), ("get", "setdefault"), ("days", "seconds"),
    ("min", "max"), ("any", "all"), ("floor", "ceil", "round", "int", "trunc"), ("sorted", "list", "reversed"),
    ("set", "list", "tuple", "sorted"), ("len", "sum", "max"), ("int", "float"), ("str", "repr"),
    ("range", "enumerate"), ("heappush", "heappop"), ("bisect_left", "bisect_right"), ("dict", "defaultdict"),
    ("isupper", "islower"), ("encode", "decode"), ("loads", "load"), ("dumps", "dump"),
)  # fmt: skip
_COUNTERS = re.compile(
    r"^(?:[ijkmn]|lo|hi|low|high|left|right|mid|pos|start|end|stop|first|last|.*(?:index|idx|count|size|length|width|len|offset))$"
)
_ERRORS = (
    "ValueError",
    "KeyError",
    "IndexError",
    "TypeError",
    "AttributeError",
    "ZeroDivisionError",
    "LookupError",
)


def _between(
    source: Source, left: ast.expr, right: ast.expr, old: str, new: str, factor: float = 1.0
) -> Changes:
    """Replace the operator that stands between two neighbours."""
    start, end = source.end(left), source.begin(right)
    words = r"\s+".join(re.escape(word) for word in old.split())
    match = re.search(words, source.cut(start, end))
    if match:
        offset = len(source.cut(start, end)[: match.start()].encode())
        yield Change(((start + offset, start + offset + len(match[0].encode()), new),), factor)


def role(site: Site, node: ast.expr) -> str:
    """What a number in this place is for: index, slice, range, compare, return, assign, argument, or nothing."""
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


_STEP_FACTOR = {
    "index": 1.0,
    "slice": 1.0,
    "range": 1.2,
    "compare": 1.0,
    "return": 0.5,
    "assign": 0.5,
    "argument": 0.3,
}


def off_by_one(source: Source, site: Site, node: ast.expr) -> Changes:
    place = role(site, node)
    text, factor = source.segment(node), _STEP_FACTOR.get(place, 0.5)
    if isinstance(node, ast.Constant):
        if type(node.value) is int:
            yield source.put(node, str(node.value + 1), factor)
            if node.value:
                yield source.put(node, str(node.value - 1), factor)
    elif isinstance(node, ast.BinOp):
        yield from _step_dropped(source, node)
        if place in _STEP_FACTOR and isinstance(node.op, ast.Add | ast.Sub | ast.FloorDiv):
            yield source.put(node, f"{text} + 1", 0.6 * factor)
            yield source.put(node, f"{text} - 1", 0.6 * factor)
    elif place in _STEP_FACTOR and _counts(node, place):
        yield source.put(node, f"{text} + 1", factor)
        yield source.put(node, f"{text} - 1", factor)


def _step_dropped(source: Source, node: ast.BinOp) -> Changes:
    one = isinstance(node.right, ast.Constant) and node.right.value == 1
    if one and isinstance(node.op, ast.Add | ast.Sub):
        sign = "-" if isinstance(node.op, ast.Add) else "+"
        yield source.put(node, source.segment(node.left), 1.2)
        yield source.put(node, f"{source.segment(node.left)} {sign} 1", 0.8)


def _counts(node: ast.expr, place: str) -> bool:
    """Whether the expression is likely a whole number."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("len", "int", "max", "min", "sum", "abs")
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    if isinstance(getattr(node, "ctx", None), ast.Store) or not name:
        return False
    return (
        place in ("slice", "range")
        or _COUNTERS.match(name) is not None
        or (place == "index" and len(name) < 3)
    )


def comparison_boundary(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.Compare)
    operands = [node.left, *node.comparators]
    for at, operator in enumerate(node.ops):
        sign = _SIGNS[type(operator)]
        if sign in _BOUNDARY:
            yield from _between(source, operands[at], operands[at + 1], sign, _BOUNDARY[sign])


def comparison_flipped(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.Compare)
    operands = [node.left, *node.comparators]
    for at, operator in enumerate(node.ops):
        sign = _SIGNS[type(operator)]
        for rank, other in enumerate(_FLIPPED[sign]):
            yield from _between(source, operands[at], operands[at + 1], sign, other, 0.6**rank)
        if at == 0 and len(node.ops) == 1 and sign in _BOUNDARY:
            swapped = f"{source.segment(operands[1])} {sign} {source.segment(operands[0])}"
            yield source.put(node, swapped, 0.2)


def identity(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.Compare)
    if len(node.ops) == 1:
        sign = _SIGNS[type(node.ops[0])]
        none = isinstance(node.comparators[0], ast.Constant) and node.comparators[0].value is None
        swap = {"is": "==", "is not": "!="} | ({"==": "is", "!=": "is not"} if none else {})
        if sign in swap:
            yield from _between(source, node.left, node.comparators[0], sign, swap[sign])
        if none:
            negated = sign in ("is", "==")
            yield source.put(node, ("not " if negated else "") + source.segment(node.left), 0.8)


def boolean(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.BoolOp)
    old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    for left, right in zip(node.values, node.values[1:], strict=False):
        yield from _between(source, left, right, old, new)


def negation(source: Source, site: Site, node: ast.expr) -> Changes:
    parent, name = site.inner[node]
    if isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.Not):
            yield source.put(node, source.segment(node.operand))
        elif isinstance(node.op, ast.USub):
            yield source.put(node, source.segment(node.operand), 0.5)
        return
    condition = name == "test" or name == "ifs" or isinstance(parent, ast.BoolOp)
    if condition and not isinstance(node, ast.Compare | ast.BoolOp):
        yield source.put(node, f"not {source.segment(node)}")
        yield source.put(node, f"{source.segment(node)} is not None", 0.5)
    elif name == "test" and isinstance(node, ast.BoolOp):
        yield source.put(node, f"not ({source.segment(node)})", 0.4)
    elif (
        name == "value"
        and isinstance(parent, ast.Return)
        and isinstance(node, ast.Compare | ast.BoolOp | ast.Call)
    ):
        yield source.put(
            node,
            f"not ({source.segment(node)})"
            if isinstance(node, ast.BoolOp)
            else f"not {source.segment(node)}",
            0.4,
        )


def arithmetic(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.BinOp)
    if isinstance(node.left, ast.Constant | ast.JoinedStr) and isinstance(
        getattr(node.left, "value", ""), str
    ):
        return
    sign = _SIGNS[type(node.op)]
    for rank, other in enumerate(_ARITHMETIC[sign]):
        yield from _between(source, node.left, node.right, sign, other, 0.6**rank)


def regroup(source: Source, site: Site, node: ast.expr) -> Changes:
    """Move or drop the parentheses of two operators that stand next to each other."""
    values = (
        [node.left, node.right]
        if isinstance(node, ast.BinOp)
        else node.values
        if isinstance(node, ast.BoolOp)
        else []
    )
    for child in values:
        if not isinstance(child, ast.BinOp | ast.BoolOp):
            continue
        start, end = source.begin(child), source.end(child)
        if source.parenthesised(child):
            left, right = source.data.rfind(b"(", 0, start), source.data.find(b")", end)
            yield Change(((left, left + 1, ""), (right, right + 1, "")))
        elif isinstance(node, ast.BinOp) and isinstance(child, ast.BinOp):
            yield from _grouped(source, node, child)
    if (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.Not)
        and isinstance(node.operand, ast.BoolOp)
    ):
        first = node.operand.values[0]
        yield source.put(
            node, f"not {source.segment(first)}{source.cut(source.end(first), source.end(node.operand))}"
        )


def _grouped(source: Source, node: ast.BinOp, child: ast.BinOp) -> Changes:
    if child is node.right:
        yield Change(
            (
                (source.begin(node), source.begin(node), "("),
                (source.end(child.left), source.end(child.left), ")"),
            )
        )
    else:
        start, end = source.begin(child.right), source.end(node)
        yield Change(((start, start, "("), (end, end, ")")))


def wrong_variable(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.Name)
    names, (parent, field) = site.scope.names, site.inner[node]
    if isinstance(parent, ast.Call) and field == "func":
        yield from _other_function(source, node)
        return
    if node.id in names.attributes:
        yield source.put(node, f"self.{node.id}", 0.7 if node.id in names.values else 1.5)
    if node.id in source.functions and node.id not in names.values:
        return
    beside = {inner.id for inner in ast.walk(parent) if isinstance(inner, ast.Name)}
    for kind in (names.params, names.loops, names.others):
        for name in [name for name in kind if name != node.id][:6]:
            alike = (1.0 if node.id in kind else 0.7) * _kinship(node.id, name)
            yield source.put(node, name, alike * (0.5 if name in beside else 1.0))


def _kinship(old: str, new: str) -> float:
    """Names that look alike, or are both one letter, are mistaken for each other more often."""
    if len(old) == len(new) == 1:
        return 1.3
    parts = set(old.lower().split("_")) & set(new.lower().split("_"))
    return 1.4 if parts or old.rstrip("s") == new.rstrip("s") else 1.0


def _other_function(source: Source, node: ast.Name) -> Changes:
    known = source.functions.get(node.id)
    if known:
        for name, other in source.functions.items():
            if name != node.id and len(other.args.args) == len(known.args.args):
                yield source.put(node, name, 0.7)


def wrong_attribute(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.Attribute)
    parent, name = site.inner[node]
    at = source.end(node) - len(node.attr.encode())
    if isinstance(parent, ast.Call) and name == "func":
        return
    if isinstance(node.value, ast.Name) and node.value.id == "self":
        for other in site.scope.names.attributes:
            if other != node.attr:
                yield Change(((at, source.end(node), other),), _kinship(node.attr, other))
        if node.attr in site.scope.names.params:
            yield source.put(node, node.attr, 0.8)


def twin_call(source: Source, site: Site, node: ast.expr) -> Changes:
    """A function or method exchanged for one that is often mistaken for it."""
    assert isinstance(node, ast.Call)
    old, start, end = _callee(source, node)
    twins = dict.fromkeys(name for group in _TWINS if old in group for name in group if name != old)
    for rank, name in enumerate(twins):
        yield Change(((start, end, name),), max(0.4, 1.0 - 0.15 * rank))


def other_method(source: Source, site: Site, node: ast.expr) -> Changes:
    """A method exchanged for another one that the file calls."""
    assert isinstance(node, ast.Call)
    old, start, end = _callee(source, node)
    if isinstance(node.func, ast.Attribute):
        for name in sorted(source.methods - {old})[:8]:
            yield Change(((start, end, name),))


def _callee(source: Source, node: ast.Call) -> tuple[str, int, int]:
    """The last name of what is called, with its place."""
    callee = node.func
    name = (
        callee.id
        if isinstance(callee, ast.Name)
        else callee.attr
        if isinstance(callee, ast.Attribute)
        else ""
    )
    return name, source.end(callee) - len(name.encode()), source.end(callee)


def argument_swap(source: Source, site: Site, node: ast.expr) -> Changes:
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Sub | ast.Div | ast.FloorDiv | ast.Mod | ast.Add):
            plain = not isinstance(node.op, ast.Add) or isinstance(
                node.left, ast.Name | ast.Call | ast.Subscript
            )
            yield from _swapped(source, node.left, node.right, 0.5 if plain else 0.3)
        return
    items = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
    for left, right in zip(items, items[1:], strict=False):
        yield from _swapped(source, left, right, 1.0 if isinstance(node, ast.Call) else 0.7)
    if len(items) == 3:
        yield from _swapped(source, items[0], items[2], 0.4)


def _swapped(source: Source, left: ast.expr, right: ast.expr, factor: float) -> Changes:
    a, b = source.segment(left), source.segment(right)
    yield Change(
        ((source.begin(left), source.end(left), b), (source.begin(right), source.end(right), a)), factor
    )


def argument_count(source: Source, site: Site, node: ast.expr) -> Changes:
    """An argument dropped, or one handed on that the called function of this file takes."""
    assert isinstance(node, ast.Call)
    if len(node.args) + len(node.keywords) > 1:
        last = node.keywords[-1] if node.keywords else node.args[-1]
        before = (
            node.keywords[-2] if len(node.keywords) > 1 else node.args[-1] if node.keywords else node.args[-2]
        )
        yield Change(((source.end(before), source.end(last), ""),), 0.5)
    callee = node.func
    name = (
        callee.id
        if isinstance(callee, ast.Name)
        else callee.attr
        if isinstance(callee, ast.Attribute)
        else ""
    )
    known = source.functions.get(name)
    if not known or not (node.args or node.keywords):
        return
    params = [arg.arg for arg in (*known.args.args, *known.args.kwonlyargs) if arg.arg not in ("self", "cls")]
    given = {keyword.arg for keyword in node.keywords}
    at = source.end([*node.args, *[keyword.value for keyword in node.keywords]][-1])
    for param in params[len(node.args) :]:
        if param not in given and param in site.scope.names.values:
            yield Change(((at, at, f", {param}"),), 1.0)
            yield Change(((at, at, f", {param}={param}"),), 0.6)


def slice_bounds(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.Subscript)
    part, whole = node.slice, source.segment(node.value)
    if isinstance(part, ast.Slice):
        low, high, step = (
            source.segment(value) if value else "" for value in (part.lower, part.upper, part.step)
        )
        tail = f":{step}" if step else ""
        for text, factor in _bounds(low, high):
            yield source.put(node, f"{whole}[{text}{tail}]", factor)
        if step:
            yield source.put(node, f"{whole}[{low}:{high}]", 0.7)
        yield source.put(node, whole, 0.5)
    elif not isinstance(node.ctx, ast.Store) and not isinstance(part, ast.Constant | ast.Tuple):
        index = source.segment(part)
        yield source.put(node, f"{whole}[:{index}]", 0.3)
        yield source.put(node, f"{whole}[{index}:]", 0.3)


def _bounds(low: str, high: str) -> list[tuple[str, float]]:
    if low and high:
        return [(f"{low}:", 0.8), (f":{high}", 0.8), (f"{low}:{low} + {high}", 0.6)]
    if low:
        return [(f":{low}", 0.8), (":", 0.5), (f"{low}:-1", 0.3)]
    if high:
        return [(f"{high}:", 0.8), (":", 0.5), (f"-{high}:", 0.5), (f"1:{high}", 0.3)]
    return [("1:", 0.8), (":-1", 0.8), ("::-1", 0.8)]


def index_change(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.Subscript)
    part = node.slice
    if isinstance(part, ast.Slice | ast.Tuple) or (
        isinstance(part, ast.Constant) and isinstance(part.value, str)
    ):
        return
    text = source.segment(part)
    for other in ("0", "-1", "1"):
        if other != text:
            yield source.put(part, other, 1.0 if text in ("0", "-1", "1") else 0.5)
    outer = node.value
    if isinstance(outer, ast.Subscript) and not isinstance(outer.slice, ast.Slice):
        yield from _swapped(source, outer.slice, part, 1.0)


def lookup(source: Source, site: Site, node: ast.expr) -> Changes:
    """`d[k]` for `d.get(k)`, with or without a default, and back."""
    if isinstance(node, ast.Subscript):
        if isinstance(node.ctx, ast.Load) and not isinstance(node.slice, ast.Slice):
            whole, key = source.segment(node.value), source.segment(node.slice)
            for rank, rest in enumerate((", 0", "", ", []", ', ""')):
                yield source.put(node, f"{whole}.get({key}{rest})", 0.8**rank)
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "pop")
    ):
        if not node.args:
            return
        whole, key = source.segment(node.func.value), source.segment(node.args[0])
        yield source.put(node, f"{whole}[{key}]", 0.7)
        for rank, rest in enumerate((", 0", ", None", ", []", ", {}", ', ""')):
            yield source.put(node, f"{whole}.{node.func.attr}({key}{rest})", 0.8 * 0.8**rank)


_WRAPS = {
    "iter": ("sorted", "list", "reversed", "set"),
    "return": ("list", "sorted", "int", "len", "abs", "sum", "str", "tuple"),
    "assign": ("list", "sorted", "int", "len", "abs", "str"),
    "argument": ("int", "str", "abs", "len", "list"),
    "compare": ("len", "int", "abs"),
    "term": ("len", "int", "str", "abs"),
    "index": ("int",),
}


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
    methods: tuple[str, ...] = ()
    if name == "iter":
        methods = ("items", "values")
    elif role(site, node) in ("assign", "argument", "index", "compare", "return"):
        methods = ("strip", "lower")
    elif name in ("elt", "key") or isinstance(parent, ast.IfExp):
        methods = ("strip", "lower")
    for method in methods:
        yield source.put(node, f"{source.segment(node)}.{method}()")


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


def expression_part(source: Source, site: Site, node: ast.expr) -> Changes:
    """An expression replaced by one of its parts, or the branches of a conditional exchanged."""
    if isinstance(node, ast.BinOp):
        yield source.put(node, source.segment(node.left))
        yield source.put(node, source.segment(node.right), 0.7)
    elif isinstance(node, ast.IfExp):
        yield from _swapped(source, node.body, node.orelse, 1.0)
        yield source.put(node, source.segment(node.body), 0.5)


def condition_part(source: Source, site: Site, node: ast.expr) -> Changes:
    if isinstance(node, ast.BoolOp):
        for at, value in enumerate(node.values):
            rest = [source.segment(other) for other in node.values if other is not value]
            joiner = " and " if isinstance(node.op, ast.And) else " or "
            del at
            yield source.put(node, joiner.join(rest))
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        last = node.generators[-1]
        if last.ifs:
            yield Change(((source.end(last.iter), source.end(last.ifs[-1]), ""),), 0.6)


def condition_extended(source: Source, site: Site, node: ast.expr) -> Changes:
    """A condition joined with another one of the function, or with a plain test of a name."""
    _, name = site.inner[node]
    if name not in ("test", "ifs"):
        return
    text = source.segment(node)
    whole = f"({text})" if isinstance(node, ast.BoolOp | ast.IfExp) else text
    for donor, factor in _more_conditions(site, node, text):
        guard = f"({donor})" if " or " in donor or " if " in donor else donor
        yield source.put(node, f"{guard} and {whole}", factor)
        yield source.put(node, f"{text} or {donor}", 0.7 * factor)


def _more_conditions(site: Site, node: ast.expr, text: str) -> list[tuple[str, float]]:
    used = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    found = {donor: 1.0 for donor in site.scope.conditions[:5] if donor not in text}
    for variable in site.scope.names.values[:5]:
        near = 0.8 if variable in used else 0.5
        found |= {variable: near, f"not {variable}": 0.7 * near}
        if variable in used:
            found |= {f"{variable} is not None": near, f"{variable} > 0": 0.6 * near}
    return [(donor, factor) for donor, factor in found.items() if donor not in (text, f"not {text}")][:12]


def constant(source: Source, site: Site, node: ast.expr) -> Changes:
    assert isinstance(node, ast.Constant)
    value, text = node.value, source.segment(node)
    if isinstance(value, bool):
        yield source.put(node, str(not value), 1.5)
        yield source.put(node, "None", 0.3)
    elif value is None:
        for other, factor in (
            ("0", 0.6),
            ("[]", 0.6),
            ("True", 0.4),
            ("False", 0.5),
            ('""', 0.5),
            ("{}", 0.3),
        ):
            yield source.put(node, other, factor)
    elif isinstance(value, int | float):
        for other in dict.fromkeys(
            ("0", "1", "-1", "2", f"-{text}", "None", 'float("inf")', 'float("-inf")')
        ):
            if other not in (text, "-0"):
                yield source.put(node, other, 0.8 if other in ("0", "1", "-1") else 0.3)
    elif isinstance(value, str) and not text.lstrip("rbuRBU").startswith(('"""', "'''")):
        yield from _other_text(source, node, value)


def _other_text(source: Source, node: ast.Constant, value: str) -> Changes:
    others = {"": 0.7, " ": 0.7} if len(value) < 4 else {}
    others |= {
        other: 0.5 for other in source.strings if other != value and (len(other) < 4) == (len(value) < 4)
    }
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
            yield source.put(
                node, repr(other) if "'" in source.segment(node)[:2] else _quoted(other), others[other]
            )


def _quoted(text: str) -> str:
    plain = repr(text)
    return plain if '"' in plain else f'"{plain[1:-1]}"'


def container(source: Source, site: Site, node: ast.expr) -> Changes:
    """An empty container exchanged for another; a list comprehension for a set's."""
    text = source.segment(node)
    swaps = {
        "[]": ("{}", "set()", "None", "[0]", "[[]]"),
        "{}": ("[]", "set()", "None"),
        "set()": ("[]", "{}"),
    }
    for other in swaps.get(text, ()):
        yield source.put(node, other, 0.6)
    if isinstance(node, ast.ListComp):
        yield source.put(node, f"{{{text[1:-1]}}}", 0.4)


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
    name = (
        callee.id
        if isinstance(callee, ast.Name)
        else callee.attr
        if isinstance(callee, ast.Attribute)
        else ""
    )
    if name not in ("sorted", "sort", "min", "max", "nlargest", "nsmallest"):
        return
    given = {keyword.arg: keyword for keyword in node.keywords}
    parts = [*node.args, *[keyword.value for keyword in node.keywords]]
    at, comma = (source.end(parts[-1]), ", ") if parts else (source.end(node) - 1, "")
    if name in ("sorted", "sort") and "reverse" not in given:
        yield Change(((at, at, f"{comma}reverse=True"),))
    if "key" not in given:
        for key in (
            "len",
            "lambda item: item[1]",
            "lambda item: item[0]",
            "lambda item: -item[1]",
            "str.lower",
            "abs",
        ):
            yield Change(((at, at, f"{comma}key={key}"),), 0.5)
    for keyword in given.values():
        start = max(
            [source.end(arg) for arg in parts if source.end(arg) < source.begin(keyword)],
            default=source.begin(keyword),
        )
        yield Change(((start, source.end(keyword), ""),), 0.7)
    if "key" in given and isinstance(given["key"].value, ast.Lambda):
        body = given["key"].value.body
        yield source.put(body, f"-{source.segment(body)}", 0.6)
        if isinstance(body, ast.Tuple):
            yield from (source.put(part, f"-{source.segment(part)}", 0.6) for part in body.elts)


def formatting(source: Source, site: Site, node: ast.expr) -> Changes:
    """Widths, precisions and conversions of formatted text."""
    text = source.segment(node)
    if not isinstance(node, ast.JoinedStr) and "%" not in text and "{" not in text:
        return
    for match in re.finditer(r"(?<=[:.%<>^0,])(\d+)(?=[.\w}])", text):
        for step in (1, -1):
            number = max(0, int(match[1]) + step)
            yield source.put(node, f"{text[: match.start()]}{number}{text[match.end() :]}", 0.8)
    for old, new in (
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
            yield source.put(node, f"{text[:at]}{new}{text[at + len(old) :]}", 0.4)


def exception_type(source: Source, site: Site, node: ast.expr) -> Changes:
    if not isinstance(node, ast.Name) or not node.id.endswith(("Error", "Exception")):
        return
    for name in dict.fromkeys((*source.raised, *_ERRORS)):
        if name != node.id:
            yield source.put(node, name, 1.0 if name in source.raised else 0.6)
    parent, _ = site.inner[node]
    if isinstance(parent, ast.ExceptHandler):
        for name in ("KeyError", "ValueError", "TypeError", "IndexError"):
            if name != node.id:
                yield source.put(node, f"({node.id}, {name})", 0.5)
