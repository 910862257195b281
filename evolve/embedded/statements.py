"""Mutation operators on statements: each changes one place; none knows any task."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from evolve.embedded.source import Function, Site, Source, SourceChange, body_of, header_end

Changes = Iterator[SourceChange]

_JUMPS = (ast.Continue, ast.Break, ast.Return, ast.Pass)
_LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_AUGMENTED = {
    "+=": ("-=", "=", "*="), "-=": ("+=", "=", "//="), "*=": ("+=", "/=", "="), "/=": ("//=", "*="),
    "//=": ("/=",), "%=": ("//=",), "|=": ("&=", "="), "&=": ("|=",), "^=": ("|=",),
}  # fmt: skip
_MAX_DONORS = 14


def _lines(source: Source, first: int, last: int, text: str, factor: float = 1.0) -> SourceChange:
    """Replace whole lines, 1-based and inclusive."""
    return SourceChange(((source.starts[first - 1], source.starts[last] - 1, text),), factor)


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _whole(source: Source, node: ast.stmt) -> bool:
    """Whether the statement has its lines to itself."""
    before = source.lines[node.lineno - 1][: node.col_offset]
    after = source.data[source.end(node) : source.starts[_last(node)] - 1].strip()
    return not before.strip() and (not after or after.startswith(b"#"))


def augmented(source: Source, site: Site) -> Changes:
    node = site.node
    if isinstance(node, ast.AugAssign):
        start, end = source.end(node.target), source.begin(node.value)
        gap = source.cut(start, end)
        sign = gap.strip().rstrip("(").strip()
        for rank, other in enumerate(_AUGMENTED.get(sign, ())):
            yield SourceChange(((start, end, gap.replace(sign, other, 1)),), 0.7**rank)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1 and _is_place(node.targets[0]):
        start, end = source.end(node.targets[0]), source.begin(node.value)
        for rank, other in enumerate(("+=", "-=")):
            yield SourceChange(((start, end, source.cut(start, end).replace("=", other, 1)),), 0.4 * 0.5**rank)
        target = node.targets[0]
        if isinstance(target, ast.Subscript):
            kept = f"{source.segment(target.value)}.get({source.segment(target.slice)}, 0)"
            yield source.put(node.value, f"{kept} + {source.segment(node.value)}", 0.5)


def _is_place(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript)


def return_expression(source: Source, site: Site) -> Changes:
    node = site.node
    if not isinstance(node, ast.Return) or node.value is None:
        return
    text, own = (
        source.segment(node.value),
        {inner.id for inner in ast.walk(node.value) if isinstance(inner, ast.Name)},
    )
    for other in site.scope.returns:
        if other != text:
            yield source.put(node.value, other, 0.8)
    names = site.scope.names
    for name in names.others + names.params:
        if name != text:
            yield source.put(node.value, name, 0.8 if name in own else 0.6)
    for rank, other in enumerate(("None", "[]", "False", "True", "0", '""', "{}", "-1", "1")):
        if other != text:
            yield source.put(node.value, other, 0.5 * 0.9**rank)


def removed(source: Source, site: Site) -> Changes:
    node = site.node
    if isinstance(node, Function | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Pass) or not _whole(source, node):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    size = _last(node) - node.lineno + 1
    yield _lines(source, node.lineno, _last(node), f"{source.indent(node)}pass", 1.0 if size == 1 else 0.5)


def jump(source: Source, site: Site) -> Changes:
    node, loop = site.node, _in_loop(site)
    if not isinstance(node, _JUMPS) or not _whole(source, node):
        return
    words = ["continue", "break", "pass"] if loop else []
    if site.scope.name:
        words += ["return"] + [f"return {text}" for text in site.scope.returns[:2]]
    for word in words:
        if word != source.segment(node):
            yield source.put(node, word, 0.4 if isinstance(node, ast.Return) or word.startswith("return") else 1.0)


def _in_loop(site: Site) -> bool:
    return any(first < site.node.lineno <= last for first, last in site.scope.loops)


def inserted(source: Source, site: Site) -> Changes:
    """A statement like one nearby, written after this one or at the start of the block that it opens."""
    node = site.node
    if not site.scope.name or isinstance(node, Function | ast.ClassDef) or not _whole(source, node):
        return
    if not isinstance(node, _LEAVING):
        following = site.block[site.index + 1] if site.index + 1 < len(site.block) else None
        yield from _after(source, site, _last(node), source.indent(node), [node, following])
    body = body_of(node)
    if body and header_end(node) < body[0].lineno:
        yield from _after(source, site, body[0].lineno - 1, source.indent(body[0]), [body[0]])


def _after(source: Source, site: Site, line: int, indent: str, near: list[ast.stmt | None]) -> Changes:
    own = source.lines[line - 1]
    taken = {source.segment(node) for node in near if node}
    for donor, factor in _donors(source, site):
        if donor not in taken:
            yield _lines(source, line, line, f"{own}\n{indent}{donor}", factor)


def kept_last(source: Source, site: Site) -> Changes:
    """After a loop that keeps a local now and then: keep the last one too."""
    node = site.node
    if isinstance(node, ast.For | ast.While) and site.scope.name and _whole(source, node):
        line, indent = _last(node), source.indent(node)
        for donor, name in _kept(site):
            text = f"{source.lines[line - 1]}\n{indent}if {name}:\n{indent}    {donor}"
            yield _lines(source, line, line, text)


def _kept(site: Site) -> list[tuple[str, str]]:
    """The calls of one local, with its name."""
    matches = [(donor, re.fullmatch(r"[\w.]+\((\w+)\)", donor)) for donor in site.scope.donors]
    return [(donor, match[1]) for donor, match in matches if match and match[1] in site.scope.names.values]


def _donors(source: Source, site: Site) -> list[tuple[str, float]]:
    names = site.scope.names
    loop = _in_loop(site)
    found = {donor: 1.0 for donor in site.scope.donors if loop or donor not in ("continue", "break")}
    for donor in site.scope.cousins:
        found.setdefault(donor, 0.7)
    for name in names.others:
        if re.match(r"^(?:[ijkn]|.*(?:count|total|index|pos|size|depth|level|num))", name):
            found.setdefault(f"{name} += 1", 0.8)
    for field in names.attributes[:6]:
        found.setdefault(f"self.{field} += 1", 0.3)
        found.setdefault(f"self.{field} -= 1", 0.3)
    if loop:
        found.setdefault("continue", 0.7)
        found.setdefault("break", 0.7)
    for text in (*names.others[:3], "None", "False", "True"):
        found.setdefault(f"return {text}", 0.4)
    return list(found.items())[:_MAX_DONORS]


def guarded(source: Source, site: Site) -> Changes:
    """An early return for an odd argument, at the start of a function."""
    node = site.scope.node
    if not isinstance(node, Function) or site.node is not _first(node) or not _whole(source, site.node):
        return
    indent, own = source.indent(site.node), source.lines[site.node.lineno - 1]
    simple = [text for text in site.scope.returns if re.fullmatch(r"[\w.\[\]{}\"'-]+", text)]
    answers = list(dict.fromkeys((*simple, "[]", "None", "0", "False")))[:4]
    for name in site.scope.names.params[:2]:
        for test, factor in ((f"not {name}", 1.0), (f"{name} is None", 0.8), (f"{name} <= 0", 0.5)):
            for answer in answers:
                text = f"{indent}if {test}:\n{indent}    return {answer}\n{own}"
                yield _lines(source, site.node.lineno, site.node.lineno, text, factor)


def _first(node: Function) -> ast.stmt:
    start = node.body[0]
    docstring = isinstance(start, ast.Expr) and isinstance(start.value, ast.Constant)
    return node.body[1] if docstring and len(node.body) > 1 else start


def default(source: Source, site: Site) -> Changes:
    """A container as a default value, which all calls share, made anew in each."""
    node = site.node
    if not isinstance(node, Function) or not node.args.defaults or not _whole(source, _first(node)):
        return
    params = [*node.args.posonlyargs, *node.args.args][-len(node.args.defaults) :]
    first, indent = _first(node), source.indent(_first(node))
    for param, value in zip(params, node.args.defaults, strict=True):
        text = source.segment(value)
        if text in ("[]", "{}", "set()", "list()", "dict()"):
            at = source.starts[first.lineno - 1]
            guard = f"{indent}if {param.arg} is None:\n{indent}    {param.arg} = {text}\n"
            yield SourceChange(((source.begin(value), source.end(value), "None"), (at, at, guard)), 1.5)


def moved_out(source: Source, site: Site) -> Changes:
    """The last statement of a block moved out of it; the one after a block moved into it."""
    node = site.node
    if not site.scope.name or not _whole(source, node):
        return
    nested = isinstance(site.parent, ast.For | ast.While | ast.If | ast.With)
    if nested and site.index == len(site.block) - 1 and site.index > 0:
        yield _shifted(source, node, source.indent(site.parent), 1.0)  # type: ignore[arg-type]
    before = site.block[site.index - 1] if site.index else None
    if isinstance(before, ast.For | ast.While | ast.If | ast.With) and not isinstance(node, Function):
        body = (getattr(before, "orelse", None) or before.body)[-1]
        yield _shifted(source, node, source.indent(body), 0.7 if _last(node) == node.lineno else 0.4)


def _shifted(source: Source, node: ast.stmt, indent: str, factor: float) -> SourceChange:
    old, lines = source.indent(node), source.lines[node.lineno - 1 : _last(node)]
    moved = [indent + line[len(old) :] if line.strip() else line for line in lines]
    return _lines(source, node.lineno, _last(node), "\n".join(moved), factor)


def exchanged(source: Source, site: Site) -> Changes:
    """Two simple statements that follow each other, in the other order."""
    if site.index + 1 >= len(site.block):
        return
    node, other = site.node, site.block[site.index + 1]
    simple = all(isinstance(one, ast.Assign | ast.AugAssign | ast.Expr) for one in (node, other))
    if simple and _whole(source, node) and _whole(source, other) and other.lineno == _last(node) + 1:
        first, second = (
            source.lines[node.lineno - 1 : _last(node)],
            source.lines[other.lineno - 1 : _last(other)],
        )
        yield _lines(source, node.lineno, _last(other), "\n".join(second + first))


def branch(source: Source, site: Site) -> Changes:
    """`if` after an `if` made `elif`, `elif` made `if`; `while` and `if` exchanged."""
    node = site.node
    if not isinstance(node, ast.If | ast.While):
        return
    start = source.begin(node)
    word = next((word for word in ("elif", "if", "while") if source.cut(start, start + 5).startswith(word)), "")
    before = site.block[site.index - 1] if site.index else None
    if word == "if" and isinstance(before, ast.If):
        yield SourceChange(((start, start + 2, "elif"),))
    if word == "elif":
        yield SourceChange(((start, start + 4, "if"),), 0.7)
    if word in ("if", "while"):
        yield SourceChange(
            ((start, start + len(word), "while" if word == "if" else "if"),), 0.7 if word == "if" else 0.4
        )
