"""Weigh the candidate edits by the evidence, and draw one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from evolve.core.records import stable_hash
from evolve.embedded.knobs import Knobs, gumbel
from evolve.embedded.messages import View
from evolve.embedded.operators import CandidateEdit, apply, candidates, parses
from evolve.embedded.shown import Shown, same_path

TRACEBACK = math.log(2.5)
MENTIONED = math.log(1.6)
RIVALS = 0.7
FLOOR = 0.08
_DRAWS = 400

# The factor and the operators for each kind of failure: exception names, and hints about unequal values.
# fmt: off
_FITTING: dict[str, tuple[float, str]] = {
    "IndexError": (2.5, "off_by_one range_args comparison_boundary index_change condition_extension early_return"),
    "KeyError": (2.5, "lookup exception_type condition_extension wrong_variable constant"),
    "ZeroDivisionError": (2.5, "early_return condition_extension off_by_one constant comparison_boundary"),
    "TypeError": (2.0, "wrap unwrap arithmetic constant argument_swap argument_count "
        "identity condition_extension lookup early_return"),
    "AttributeError": (2.0, "twin_call wrong_variable wrong_attribute container "
        "identity early_return condition_extension"),
    "NameError": (4.0, "wrong_variable"),
    "UnboundLocalError": (3.0, "block_move insertion statement_swap wrong_variable branch_keyword"),
    "ValueError": (1.7, "wrap twin_call condition_extension exception_type early_return comparison_boundary"),
    "RecursionError": (2.5, "off_by_one comparison_boundary arithmetic wrong_variable "
        "argument_swap condition_extension"),
    "RuntimeError": (2.5, "wrap copy"),
    "not_raised": (2.0, "exception_type comparison_boundary insertion condition_part "
        "boolean condition_extension"),
    "by_one": (1.8, "off_by_one comparison_boundary range_args slice_bounds insertion"),
    "numbers": (1.4, "arithmetic augmented_assignment constant regroup wrong_variable wrong_attribute"),
    "none": (2.0, "return_expression insertion block_move constant"),
    "bool": (1.6, "comparison_boundary comparison_flip boolean negation twin_call constant"),
    "lists": (1.4, "off_by_one comparison_boundary slice_bounds insertion ordering range_args copy mutable_default"),
    "text": (1.6, "formatting constant twin_call slice_bounds wrap unwrap"),
}
# fmt: on


@dataclass(frozen=True)
class FileEvidence:
    """The evidence about one file: lines and functions in tracebacks, suspicion by line (None: none listed)."""

    traced: frozenset[int]
    functions: frozenset[str]
    suspicion: Mapping[int, float] | None


def evidence(view: View, shown: Shown) -> FileEvidence:
    """Collect the evidence about a file."""
    frames = [frame for frame in view.report.frames if same_path(frame[0], shown.path)] if view.report else []
    listed = {line: weight for (path, line), weight in view.suspicion.items() if same_path(path, shown.path)}
    functions = frozenset(name for _, _, name in frames if name)
    return FileEvidence(frozenset(line for _, line, _ in frames), functions, listed if view.suspicion else None)


def boosts(kinds: frozenset[str]) -> Mapping[str, float]:
    """The largest factor of each operator for the given kinds of failure."""
    factors: dict[str, float] = {}
    for kind in kinds & _FITTING.keys():
        factor, names = _FITTING[kind]
        for name in names.split():
            factors[name] = max(factor, factors.get(name, 1.0))
    return factors


def choose(
    view: View, shown: Mapping[str, Shown], seed: int, heat: float, knobs: Knobs, repeats: bool = False
) -> tuple[Shown, CandidateEdit] | None:
    """Draw one candidate edit of the shown files; None if there is none. repeats: include edits already tried.

    The Gumbel numbers depend only on the seed and the edit, so different conversations share their luck.
    """
    stirred = stable_hash(seed)
    ranked = [
        (weight / heat + gumbel(stirred, candidate.luck), at, file, candidate)
        for at, file in enumerate(shown.values())
        for weight, candidate in log_weights(view, file, knobs.skill, repeats)
    ]
    ranked.sort(key=lambda item: item[0], reverse=True)
    for _, _, file, candidate in ranked[:_DRAWS]:
        if not parses(file.text) or parses(apply(file.text, candidate)):
            return file, candidate
    return None


def log_weights(view: View, shown: Shown, skill: float, repeats: bool = False) -> Iterator[tuple[float, CandidateEdit]]:
    """The log weight of each candidate of one file."""
    known = evidence(view, shown)
    factors = boosts(view.report.kinds) if view.report else {}
    tried = _tried_lines(view, shown, repeats)
    lines = _line_weights(view, shown, known)
    for candidate in candidates(shown.text):
        if candidate.change in tried and tried[candidate.change] & {0, shown.number(candidate.first)}:
            continue
        likely = math.log(candidate.prior * factors.get(candidate.operator, 1.0)) + lines(candidate)
        yield skill * likely - RIVALS * math.log(candidate.rivals), candidate


def _tried_lines(view: View, shown: Shown, repeats: bool) -> dict[str, set[int]]:
    """The lines of the file where each change was tried (0: any line)."""
    lines: dict[str, set[int]] = {}
    for path, line, change in () if repeats else view.tried:
        if same_path(path, shown.path):
            lines.setdefault(change, set()).add(line)
    return lines


def _line_weights(view: View, shown: Shown, known: FileEvidence) -> Callable[[CandidateEdit], float]:
    cache: dict[tuple[str, int, int, int, int], float] = {}

    def weigh(candidate: CandidateEdit) -> float:
        key = (candidate.scope, *candidate.span, candidate.first, candidate.last)
        if key not in cache:
            cache[key] = _line_weight(view, shown, known, candidate)
        return cache[key]

    return weigh


def _line_weight(view: View, shown: Shown, known: FileEvidence, candidate: CandidateEdit) -> float:
    first, last = min(candidate.first, candidate.span[0]), max(candidate.first, candidate.span[1])
    numbers = [shown.number(index) for index in range(first, min(last, len(shown.lines)) + 1)]
    weight = 0.0
    if known.suspicion is not None:
        weight += math.log(FLOOR + max(known.suspicion.get(number, 0.0) for number in numbers) ** 2)
    if known.traced.intersection(numbers):
        weight += TRACEBACK
    bare = candidate.scope.rsplit(".", 1)[-1]
    if bare and (bare in known.functions or (view.report and view.report.mentions(bare))):
        weight += MENTIONED
    return weight
