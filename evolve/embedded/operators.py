"""All single edits of a source, with their priors: general knowledge of what repairs programs."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from evolve.core.python_syntax import parse_python
from evolve.core.records import stable_hash
from evolve.embedded import calls, logic, values
from evolve.embedded import statements as st
from evolve.embedded.source import Function, Site, Source, SourceChange, header_end, sites

_PRIORS = {
    "off_by_one": 1.6, "comparison_boundary": 2.4, "comparison_flip": 1.2, "identity": 0.8,
    "boolean": 1.5, "negation": 1.2, "arithmetic": 1.3, "regroup": 1.0, "wrong_variable": 1.3,
    "wrong_attribute": 1.1, "twin_call": 1.3, "argument_swap": 1.2, "argument_count": 0.7,
    "slice_bounds": 1.1, "index_change": 1.1, "lookup": 0.7, "wrap": 0.8, "method_call": 0.6,
    "other_method": 0.5, "unwrap": 0.9, "reversal": 0.5, "copy": 0.8, "expression_part": 0.9,
    "condition_part": 1.0, "condition_extension": 0.9, "constant": 1.1, "container": 0.6, "range_args": 1.1,
    "ordering": 0.9, "formatting": 0.7, "exception_type": 0.8, "augmented_assignment": 1.3, "return_expression": 1.0,
    "removal": 0.8, "jump": 1.0, "insertion": 1.2, "repeat_after_loop": 0.8, "early_return": 0.6,
    "mutable_default": 1.5, "block_move": 1.0, "statement_swap": 0.8, "branch_keyword": 0.8,
}  # fmt: skip

_EXPRESSIONS: tuple[
    tuple[Callable[[Source, Site, ast.expr], Iterator[SourceChange]], tuple[type[ast.expr], ...]], ...
] = (
    (values.off_by_one, (ast.Constant, ast.BinOp, ast.Name, ast.Attribute, ast.Call)),
    (logic.comparison_boundary, (ast.Compare,)),
    (logic.comparison_flip, (ast.Compare,)),
    (logic.identity, (ast.Compare,)),
    (logic.boolean, (ast.BoolOp,)),
    (
        logic.negation,
        (ast.UnaryOp, ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.BoolOp, ast.Compare),
    ),
    (values.arithmetic, (ast.BinOp,)),
    (logic.regroup, (ast.BinOp, ast.BoolOp, ast.UnaryOp)),
    (values.wrong_variable, (ast.Name,)),
    (values.wrong_attribute, (ast.Attribute,)),
    (calls.twin_call, (ast.Call,)),
    (calls.argument_swap, (ast.Call, ast.Tuple, ast.BinOp)),
    (calls.argument_count, (ast.Call,)),
    (values.slice_bounds, (ast.Subscript,)),
    (values.index_change, (ast.Subscript,)),
    (values.lookup, (ast.Subscript, ast.Call)),
    (calls.method_call, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)),
    (calls.other_method, (ast.Call,)),
    (calls.wrap, (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.BoolOp, ast.Call)),
    (calls.reversal, (ast.Name, ast.Attribute, ast.Call)),
    (calls.unwrap, (ast.Call,)),
    (calls.copy, (ast.Name, ast.Attribute)),
    (values.expression_part, (ast.BinOp, ast.IfExp)),
    (logic.condition_part, (ast.BoolOp, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)),
    (
        logic.condition_extension,
        (ast.Compare, ast.BoolOp, ast.Name, ast.Call, ast.UnaryOp, ast.Attribute, ast.Subscript),
    ),
    (values.constant, (ast.Constant,)),
    (values.container, (ast.List, ast.Dict, ast.Call, ast.ListComp)),
    (calls.range_args, (ast.Call,)),
    (calls.ordering, (ast.Call,)),
    (values.formatting, (ast.Constant, ast.JoinedStr)),
    (logic.exception_type, (ast.Name,)),
)
_STATEMENTS: tuple[Callable[[Source, Site], Iterator[SourceChange]], ...] = (
    st.augmented_assignment, st.return_expression, st.removal, st.jump, st.insertion, st.repeat_after_loop,
    st.early_return, st.mutable_default, st.block_move, st.statement_swap, st.branch_keyword,
)  # fmt: skip
_BY_TYPE = {kind: [op for op, kinds in _EXPRESSIONS if kind in kinds] for _, kinds in _EXPRESSIONS for kind in kinds}


@dataclass(frozen=True)
class CandidateEdit:
    """One edit: replace lines `first`..`last` (1-based) of the text, which read `old`, by `new`.

    span: the lines of the statement, where evidence counts; scope: the function's qualified name;
    rivals: how many candidates of the operator begin on the line; change: "old | new" with single spaces; luck: a
    hash of the edit that is the same in every conversation (equal edits of equal lines differ by rank).
    """

    operator: str
    first: int
    last: int
    old: str
    new: str
    prior: float
    span: tuple[int, int]
    scope: str
    rivals: int = 1
    change: str = ""
    luck: int = 0


@lru_cache(maxsize=256)
def candidates(text: str) -> tuple[CandidateEdit, ...]:
    """List all distinct edits of the text; if it does not parse, the edits of its parts that do."""
    by_place: dict[tuple[int, str, str], CandidateEdit] = {}
    for candidate in _all_candidates(text):
        key = (candidate.first, candidate.old, candidate.new)
        previous = by_place.get(key)
        if candidate.old != candidate.new and (previous is None or previous.prior < candidate.prior):
            by_place[key] = candidate
    return _with_rivals(list(by_place.values()))


@lru_cache(maxsize=4096)
def parses(text: str) -> bool:
    """Whether the text is a whole program."""
    try:
        parse_python(text)
    except (SyntaxError, ValueError):
        return False
    return True


def apply(text: str, candidate: CandidateEdit) -> str:
    """The text after the edit."""
    lines = text.split("\n")
    return "\n".join([*lines[: candidate.first - 1], candidate.new, *lines[candidate.last :]])


def squeeze(text: str) -> str:
    """Replace each run of spaces, line ends and literal `\\n` by one space."""
    return " ".join(text.replace("\\n", " ").split())


def _with_rivals(edits: list[CandidateEdit]) -> tuple[CandidateEdit, ...]:
    rivals = Counter((edit.operator, edit.first) for edit in edits)
    seen: Counter[tuple[str, str]] = Counter()
    numbered = []
    for edit in edits:
        rank = seen[edit.old, edit.new]
        seen[edit.old, edit.new] += 1
        change, luck = squeeze(f"{edit.old} | {edit.new}"), stable_hash(edit.old, edit.new, rank)
        numbered.append(replace(edit, rivals=rivals[edit.operator, edit.first], change=change, luck=luck))
    return tuple(numbered)


def _all_candidates(text: str) -> Iterator[CandidateEdit]:
    if parses(text):
        yield from _candidates_of(Source(text), 0)
        return
    for start, part in _parts(text):
        if parses(part):
            yield from _candidates_of(Source(part), start)


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Split the text at unindented lines into (number of lines before the part, part)."""
    lines = text.split("\n")
    heads = [at for at, line in enumerate(lines) if line[:1].strip() and not line.startswith((")", "]", "}", "#"))]
    for start, end in zip([0, *heads], [*heads, len(lines)], strict=True):
        part = lines[start:end]
        if part and part[0][:1].isspace():
            yield start - 1, "\n".join(["if True:", *part])
        elif part:
            yield start, "\n".join(part)


def _candidates_of(source: Source, shift: int) -> Iterator[CandidateEdit]:
    for site in sites(source):
        span = (site.node.lineno + shift, header_end(site.node) + shift)
        scope = _scope_name(site)
        for name, change in _changes(source, site):
            first, last, old, new = source.rewrite(change)
            if first + shift > 0:
                prior = _PRIORS[name] * change.factor
                yield CandidateEdit(name, first + shift, last + shift, old, new, prior, span, scope)


def _scope_name(site: Site) -> str:
    return site.node.name if isinstance(site.node, Function) else site.scope.name


def _changes(source: Source, site: Site) -> Iterator[tuple[str, SourceChange]]:
    for node in site.inner:
        for operator in _BY_TYPE.get(type(node), ()):
            for change in operator(source, site, node):
                yield operator.__name__, change
    for statement in _STATEMENTS:
        for change in statement(source, site):
            yield statement.__name__, change
