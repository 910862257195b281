"""Mutation operators on statements. Each changes one place; none knows the tasks."""

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


def _replace_lines(source: Source, first: int, last: int, text: str, factor: float = 1.0) -> SourceChange:
    """Replace whole lines, 1-based and inclusive."""
    return SourceChange(((source.starts[first - 1], source.starts[last] - 1, text),), factor)


def _end_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _owns_its_lines(source: Source, node: ast.stmt) -> bool:
    """Whether the statement shares no line with another."""
    before = source.lines[node.lineno - 1][: node.col_offset]
    after = source.data[source.end(node) : source.starts[_end_line(node)] - 1].strip()
    return not before.strip() and (not after or after.startswith(b"#"))


def augmented_assignment(source: Source, site: Site) -> Changes:
    """Exchange the operator of an assignment, or accumulate instead of assigning."""
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
            yield source.replacement(node.value, f"{kept} + {source.segment(node.value)}", 0.5)


def _is_place(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript)


def return_expression(source: Source, site: Site) -> Changes:
    """Return another value: one returned elsewhere, a local, or a constant."""
    node = site.node
    if not isinstance(node, ast.Return) or node.value is None:
        return
    text, own = (
        source.segment(node.value),
        {inner.id for inner in ast.walk(node.value) if isinstance(inner, ast.Name)},
    )
    for other in site.scope.returns:
        if other != text:
            yield source.replacement(node.value, other, 0.8)
    names = site.scope.names
    for name in names.others + names.params:
        if name != text:
            yield source.replacement(node.value, name, 0.8 if name in own else 0.6)
    for rank, other in enumerate(("None", "[]", "False", "True", "0", '""', "{}", "-1", "1")):
        if other != text:
            yield source.replacement(node.value, other, 0.5 * 0.9**rank)


def removal(source: Source, site: Site) -> Changes:
    """Replace a statement by `pass`."""
    node = site.node
    if isinstance(node, Function | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Pass) or not _owns_its_lines(
        source, node
    ):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    size = _end_line(node) - node.lineno + 1
    yield _replace_lines(source, node.lineno, _end_line(node), f"{source.indent(node)}pass", 1.0 if size == 1 else 0.5)


def jump(source: Source, site: Site) -> Changes:
    """Exchange `continue`, `break`, `return` and `pass`."""
    node, loop = site.node, _in_loop(site)
    if not isinstance(node, _JUMPS) or not _owns_its_lines(source, node):
        return
    statements = ["continue", "break", "pass"] if loop else []
    if site.scope.name:
        statements += ["return"] + [f"return {text}" for text in site.scope.returns[:2]]
    for statement in statements:
        if statement != source.segment(node):
            yield source.replacement(
                node, statement, 0.4 if isinstance(node, ast.Return) or statement.startswith("return") else 1.0
            )


def _in_loop(site: Site) -> bool:
    return any(first < site.node.lineno <= last for first, last in site.scope.loops)


def insertion(source: Source, site: Site) -> Changes:
    """Insert a statement like one nearby, after this one or at the start of its block."""
    node = site.node
    if not site.scope.name or isinstance(node, Function | ast.ClassDef) or not _owns_its_lines(source, node):
        return
    if not isinstance(node, _LEAVING):
        following = site.block[site.index + 1] if site.index + 1 < len(site.block) else None
        yield from _insert_after(source, site, _end_line(node), source.indent(node), [node, following])
    body = body_of(node)
    if body and header_end(node) < body[0].lineno:
        yield from _insert_after(source, site, body[0].lineno - 1, source.indent(body[0]), [body[0]])


def _insert_after(source: Source, site: Site, line: int, indent: str, near: list[ast.stmt | None]) -> Changes:
    own = source.lines[line - 1]
    taken = {source.segment(node) for node in near if node}
    for donor, factor in _donors(source, site):
        if donor not in taken:
            yield _replace_lines(source, line, line, f"{own}\n{indent}{donor}", factor)


def repeat_after_loop(source: Source, site: Site) -> Changes:
    """Repeat a call of the loop's body after the loop, for the last value of a local."""
    node = site.node
    if isinstance(node, ast.For | ast.While) and site.scope.name and _owns_its_lines(source, node):
        line, indent = _end_line(node), source.indent(node)
        for donor, name in _calls_on_locals(site):
            text = f"{source.lines[line - 1]}\n{indent}if {name}:\n{indent}    {donor}"
            yield _replace_lines(source, line, line, text)


def _calls_on_locals(site: Site) -> list[tuple[str, str]]:
    """The calls whose only argument is a local, with its name."""
    matches = [(donor, re.fullmatch(r"[\w.]+\((\w+)\)", donor)) for donor in site.scope.donors]
    return [(donor, match[1]) for donor, match in matches if match and match[1] in site.scope.names.values]


def _donors(source: Source, site: Site) -> list[tuple[str, float]]:
    names = site.scope.names
    loop = _in_loop(site)
    donors = {donor: 1.0 for donor in site.scope.donors if loop or donor not in ("continue", "break")}
    for donor in site.scope.cousins:
        donors.setdefault(donor, 0.7)
    for name in names.others:
        if re.match(r"^(?:[ijkn]|.*(?:count|total|index|pos|size|depth|level|num))", name):
            donors.setdefault(f"{name} += 1", 0.8)
    for field in names.attributes[:6]:
        donors.setdefault(f"self.{field} += 1", 0.3)
        donors.setdefault(f"self.{field} -= 1", 0.3)
    if loop:
        donors.setdefault("continue", 0.7)
        donors.setdefault("break", 0.7)
    for text in (*names.others[:3], "None", "False", "True"):
        donors.setdefault(f"return {text}", 0.4)
    return list(donors.items())[:_MAX_DONORS]


def early_return(source: Source, site: Site) -> Changes:
    """Insert an early return for an unusual argument at the start of a function."""
    node = site.scope.node
    if (
        not isinstance(node, Function)
        or site.node is not _first_statement(node)
        or not _owns_its_lines(source, site.node)
    ):
        return
    indent, own = source.indent(site.node), source.lines[site.node.lineno - 1]
    simple = [text for text in site.scope.returns if re.fullmatch(r"[\w.\[\]{}\"'-]+", text)]
    answers = list(dict.fromkeys((*simple, "[]", "None", "0", "False")))[:4]
    for name in site.scope.names.params[:2]:
        for test, factor in ((f"not {name}", 1.0), (f"{name} is None", 0.8), (f"{name} <= 0", 0.5)):
            for answer in answers:
                text = f"{indent}if {test}:\n{indent}    return {answer}\n{own}"
                yield _replace_lines(source, site.node.lineno, site.node.lineno, text, factor)


def _first_statement(node: Function) -> ast.stmt:
    start = node.body[0]
    docstring = isinstance(start, ast.Expr) and isinstance(start.value, ast.Constant)
    return node.body[1] if docstring and len(node.body) > 1 else start


def mutable_default(source: Source, site: Site) -> Changes:
    """Replace a container as default value, which all calls share, by None and a new one in each call."""
    node = site.node
    if not isinstance(node, Function) or not node.args.defaults or not _owns_its_lines(source, _first_statement(node)):
        return
    params = [*node.args.posonlyargs, *node.args.args][-len(node.args.defaults) :]
    first, indent = _first_statement(node), source.indent(_first_statement(node))
    for param, value in zip(params, node.args.defaults, strict=True):
        text = source.segment(value)
        if text in ("[]", "{}", "set()", "list()", "dict()"):
            at = source.starts[first.lineno - 1]
            guard = f"{indent}if {param.arg} is None:\n{indent}    {param.arg} = {text}\n"
            yield SourceChange(((source.begin(value), source.end(value), "None"), (at, at, guard)), 1.5)


def block_move(source: Source, site: Site) -> Changes:
    """Move the last statement of a block out of it, or the statement after a block into it."""
    node = site.node
    if not site.scope.name or not _owns_its_lines(source, node):
        return
    nested = isinstance(site.parent, ast.For | ast.While | ast.If | ast.With)
    if nested and site.index == len(site.block) - 1 and site.index > 0:
        yield _reindent(source, node, source.indent(site.parent), 1.0)  # type: ignore[arg-type]
    before = site.block[site.index - 1] if site.index else None
    if isinstance(before, ast.For | ast.While | ast.If | ast.With) and not isinstance(node, Function):
        body = (getattr(before, "orelse", None) or before.body)[-1]
        yield _reindent(source, node, source.indent(body), 0.7 if _end_line(node) == node.lineno else 0.4)


def _reindent(source: Source, node: ast.stmt, indent: str, factor: float) -> SourceChange:
    old, lines = source.indent(node), source.lines[node.lineno - 1 : _end_line(node)]
    moved = [indent + line[len(old) :] if line.strip() else line for line in lines]
    return _replace_lines(source, node.lineno, _end_line(node), "\n".join(moved), factor)


def statement_swap(source: Source, site: Site) -> Changes:
    """Swap two adjacent simple statements."""
    if site.index + 1 >= len(site.block):
        return
    node, other = site.node, site.block[site.index + 1]
    simple = all(isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr) for statement in (node, other))
    if (
        simple
        and _owns_its_lines(source, node)
        and _owns_its_lines(source, other)
        and other.lineno == _end_line(node) + 1
    ):
        first, second = (
            source.lines[node.lineno - 1 : _end_line(node)],
            source.lines[other.lineno - 1 : _end_line(other)],
        )
        yield _replace_lines(source, node.lineno, _end_line(other), "\n".join(second + first))


def branch_keyword(source: Source, site: Site) -> Changes:
    """Turn an `if` after an `if` into `elif`, or `elif` into `if`; exchange `while` and `if`."""
    node = site.node
    if not isinstance(node, ast.If | ast.While):
        return
    start = source.begin(node)
    keyword = next(
        (keyword for keyword in ("elif", "if", "while") if source.cut(start, start + 5).startswith(keyword)), ""
    )
    before = site.block[site.index - 1] if site.index else None
    if keyword == "if" and isinstance(before, ast.If):
        yield SourceChange(((start, start + 2, "elif"),))
    if keyword == "elif":
        yield SourceChange(((start, start + 4, "if"),), 0.7)
    if keyword in ("if", "while"):
        yield SourceChange(
            ((start, start + len(keyword), "while" if keyword == "if" else "if"),), 0.7 if keyword == "if" else 0.4
        )
