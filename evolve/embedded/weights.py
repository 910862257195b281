"""How likely each candidate edit is, given the evidence, and the draw among them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from evolve.core.records import stable_hash
from evolve.embedded.knobs import Knobs, gumbel
from evolve.embedded.messages import View
from evolve.embedded.operators import CandidateEdit, applied, candidates, parses
from evolve.embedded.shown import Shown, same_path

TRACEBACK = math.log(2.5)
MENTIONED = math.log(1.6)
RIVALS = 0.7
FLOOR = 0.08
_DRAWS = 400

# Which operators fit which kind of failure: exception names, and hints about unequal values.
# fmt: off
_FITTING: dict[str, tuple[float, str]] = {
    "IndexError": (2.5, "off_by_one range_args comparison_boundary index_change condition_extended guarded"),
    "KeyError": (2.5, "lookup exception_type condition_extended wrong_variable constant"),
    "ZeroDivisionError": (2.5, "guarded condition_extended off_by_one constant comparison_boundary"),
    "TypeError": (2.0, "wrap unwrap arithmetic constant argument_swap argument_count "
        "identity condition_extended lookup guarded"),
    "AttributeError": (2.0, "twin_call wrong_variable wrong_attribute container "
        "identity guarded condition_extended"),
    "NameError": (4.0, "wrong_variable"),
    "UnboundLocalError": (3.0, "moved_out inserted exchanged wrong_variable branch"),
    "ValueError": (1.7, "wrap twin_call condition_extended exception_type guarded comparison_boundary"),
    "RecursionError": (2.5, "off_by_one comparison_boundary arithmetic wrong_variable "
        "argument_swap condition_extended"),
    "RuntimeError": (2.5, "wrap copied"),
    "not_raised": (2.0, "exception_type comparison_boundary inserted condition_part "
        "boolean condition_extended"),
    "by_one": (1.8, "off_by_one comparison_boundary range_args slice_bounds inserted"),
    "numbers": (1.4, "arithmetic augmented constant regroup wrong_variable wrong_attribute"),
    "none": (2.0, "return_expression inserted moved_out constant"),
    "bool": (1.6, "comparison_boundary comparison_flipped boolean negation twin_call constant"),
    "lists": (1.4, "off_by_one comparison_boundary slice_bounds inserted ordering range_args copied default"),
    "text": (1.6, "formatting constant twin_call slice_bounds wrap unwrap"),
}
# fmt: on


@dataclass(frozen=True)
class FileEvidence:
    """What the view says about one file: lines and functions in tracebacks, suspicion (None: none listed)."""

    traced: frozenset[int]
    functions: frozenset[str]
    suspicion: Mapping[int, float] | None


def evidence(view: View, shown: Shown) -> FileEvidence:
    """Gather what is known about the file."""
    frames = [frame for frame in view.report.frames if same_path(frame[0], shown.path)] if view.report else []
    listed = {line: weight for (path, line), weight in view.suspicion.items() if same_path(path, shown.path)}
    functions = frozenset(name for _, _, name in frames if name)
    return FileEvidence(frozenset(line for _, line, _ in frames), functions, listed if view.suspicion else None)


def boosts(kinds: frozenset[str]) -> Mapping[str, float]:
    """The factor of each operator under the kinds of failure: the largest that applies."""
    found: dict[str, float] = {}
    for kind in kinds & _FITTING.keys():
        factor, names = _FITTING[kind]
        for name in names.split():
            found[name] = max(factor, found.get(name, 1.0))
    return found


def choose(
    view: View, shown: Mapping[str, Shown], seed: int, heat: float, knobs: Knobs, repeats: bool = False
) -> tuple[Shown, CandidateEdit] | None:
    """Draw one candidate of the shown files; None where there is none. repeats: those tried count too.

    The Gumbel numbers depend on the seed and the edit alone: conversations that differ share their luck.
    """
    stirred = stable_hash(seed)
    ranked = [
        (weight / heat + gumbel(stirred, one.luck), at, file, one)
        for at, file in enumerate(shown.values())
        for weight, one in weighed(view, file, knobs.skill, repeats)
    ]
    ranked.sort(key=lambda item: item[0], reverse=True)
    for _, _, file, one in ranked[:_DRAWS]:
        if not parses(file.text) or parses(applied(file.text, one)):
            return file, one
    return None


def weighed(view: View, shown: Shown, skill: float, repeats: bool = False) -> Iterator[tuple[float, CandidateEdit]]:
    """The log weight of each candidate of one file."""
    known = evidence(view, shown)
    factors = boosts(view.report.kinds) if view.report else {}
    tried = _tried(view, shown, repeats)
    lines = _line_weights(view, shown, known)
    for one in candidates(shown.text):
        if one.change in tried and tried[one.change] & {0, shown.number(one.first)}:
            continue
        likely = math.log(one.prior * factors.get(one.operator, 1.0)) + lines(one)
        yield skill * likely - RIVALS * math.log(one.rivals), one


def _tried(view: View, shown: Shown, repeats: bool) -> dict[str, set[int]]:
    """The lines (0: any) of the file where each change was tried."""
    found: dict[str, set[int]] = {}
    for path, line, change in () if repeats else view.tried:
        if same_path(path, shown.path):
            found.setdefault(change, set()).add(line)
    return found


def _line_weights(view: View, shown: Shown, known: FileEvidence) -> Callable[[CandidateEdit], float]:
    cache: dict[tuple[str, int, int, int, int], float] = {}

    def weigh(one: CandidateEdit) -> float:
        key = (one.scope, *one.span, one.first, one.last)
        if key not in cache:
            cache[key] = _line_weight(view, shown, known, one)
        return cache[key]

    return weigh


def _line_weight(view: View, shown: Shown, known: FileEvidence, one: CandidateEdit) -> float:
    first, last = min(one.first, one.span[0]), max(one.first, one.span[1])
    numbers = [shown.number(index) for index in range(first, min(last, len(shown.lines)) + 1)]
    weight = 0.0
    if known.suspicion is not None:
        weight += math.log(FLOOR + max(known.suspicion.get(number, 0.0) for number in numbers) ** 2)
    if known.traced.intersection(numbers):
        weight += TRACEBACK
    bare = one.scope.rsplit(".", 1)[-1]
    if bare and (bare in known.functions or (view.report and view.report.mentions(bare))):
        weight += MENTIONED
    return weight
