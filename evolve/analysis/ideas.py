"""Recognise patches whose idea was tried before, even in other words. Pure."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evolve.core.records import FileEdit

SAME_LINES = 0.75
SAME_WORDS = 0.6
AS_MUCH = 2.0
WORD = re.compile(r"[a-z]{3,}|\d+(?:\.\d+)?")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
ENDING = re.compile(r"(?<=\w{3})(?:ing|ed|es|s|e)$")
COMMON = re.compile(
    r"the|and|for|with|that|this|from|was|were|had|has|have|not|them|they|its|are|all|but|which|should|more"
)


@dataclass(frozen=True)
class Idea:
    """What a patch is about.

    Attributes:
        lines: The removed and added lines: sign, path, and the text without spaces and case.
        hypothesis_stems: Stems of the hypothesis.
        added_stems: Stems of the added lines.
        amounts: If the patch changes only numbers, the difference at each place.
    """

    lines: frozenset[str]
    hypothesis_stems: frozenset[str]
    added_stems: frozenset[str]
    amounts: Mapping[str, float]


def idea(hypothesis: str, edits: Sequence[FileEdit], before: Mapping[str, str]) -> Idea:
    """Extract the idea of a patch. before: the parent's files by path."""
    changed = [
        (sign, edit.path, text)
        for edit in edits
        for sign, text in _changed_lines(before.get(edit.path, ""), edit.text or "")
    ]
    return Idea(
        frozenset(f"{sign}{path} {_plain(text)}" for sign, path, text in changed if _plain(text)),
        _stems(hypothesis),
        _stems(" ".join(text for sign, _, text in changed if sign == "+")),
        _amounts(changed),
    )


def same_idea(one: Idea, other: Idea) -> bool:
    """Whether two ideas are the same: about the same change, or a similar change for a similar reason."""
    if one.amounts and one.amounts.keys() == other.amounts.keys():
        return all(_similar_amounts(amount, other.amounts[place]) for place, amount in one.amounts.items())
    if _overlap(one.lines, other.lines) >= SAME_LINES:
        return True
    same_reason = _overlap(one.hypothesis_stems, other.hypothesis_stems) >= SAME_WORDS
    return same_reason and _overlap(one.added_stems, other.added_stems) >= SAME_WORDS


class IdeaIndex:
    """Ideas in order, of which those that may be the same as another one are found without comparing all.

    Two sets with a Jaccard index of at least `t` share an element among the first `n - ceil(t * n) + 1` of each, in
    one order of all elements (prefix filtering: Bayardo, Ma and Srikant 2007, WWW '07).
    """

    def __init__(self) -> None:
        self.ideas: list[Idea] = []
        self._places: dict[tuple[str, object], list[int]] = {}

    def add(self, idea: Idea) -> None:
        """Add an idea after the others."""
        for key in _keys(idea):
            self._places.setdefault(key, []).append(len(self.ideas))
        self.ideas.append(idea)

    def twins(self, idea: Idea) -> list[int]:
        """Return the places of the ideas that are the same as this one, in order."""
        near = {place for key in _keys(idea) for place in self._places.get(key, ())}
        return sorted(place for place in near if same_idea(idea, self.ideas[place]))


def _keys(idea: Idea) -> set[tuple[str, object]]:
    """Of which any two ideas that are the same share at least one."""
    keys: set[tuple[str, object]] = {("line", part) for part in _prefix(idea.lines, SAME_LINES)}
    keys |= {("stem", part) for part in _prefix(idea.added_stems, SAME_WORDS)}
    return keys | ({("amounts", frozenset(idea.amounts))} if idea.amounts else set())


def _prefix(parts: frozenset[str], share: float) -> list[str]:
    """The first parts in an order in which longer ones, which fewer ideas have, come first."""
    ordered = sorted(parts, key=lambda part: (-len(part), part))
    # Rounding errors must not make the prefix too short.
    return ordered[: len(ordered) - math.ceil(share * len(ordered) - 1e-9) + 1]


def count_repeated(ideas: Iterable[Idea]) -> int:
    """Count the ideas that repeat an earlier one."""
    index, repeated = IdeaIndex(), 0
    for idea in ideas:
        repeated += bool(index.twins(idea))
        index.add(idea)
    return repeated


def _similar_amounts(one: float, other: float) -> bool:
    """Whether two differences have the same sign, and neither is over AS_MUCH times the other."""
    return one * other > 0 and 1 / AS_MUCH <= one / other <= AS_MUCH


def _amounts(changed: Sequence[tuple[str, str, str]]) -> dict[str, float]:
    """Return the changes of numbers by place; empty if anything else changed.

    A place is a line without its numbers. changed: sign, path and text of each changed line.
    """
    old, new = ([(path, text) for kind, path, text in changed if kind == sign] for sign in "-+")
    amounts: dict[str, float] = {}
    if len(old) != len(new):
        return {}
    for (path, before), (_, after) in zip(old, new, strict=True):
        if NUMBER.sub("#", _plain(before)) != NUMBER.sub("#", _plain(after)):
            return {}
        numbers = zip(NUMBER.findall(_plain(before)), NUMBER.findall(_plain(after)), strict=True)
        for place, (was, now) in enumerate(numbers):
            if float(was) != float(now):
                amounts[f"{path} {NUMBER.sub('#', _plain(after))} {place}"] = float(now) - float(was)
    return amounts


def _changed_lines(old: str, new: str) -> list[tuple[str, str]]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return [(line[0], line[1:]) for line in lines if line[:1] in "+-" and not line.startswith(("+++", "---"))]


def _plain(text: str) -> str:
    """Return the text without spaces, case and a comment at the end."""
    return "".join(text.partition(" #")[0].lower().split())


def _stems(text: str) -> frozenset[str]:
    """Return the words without their endings, and the numbers, except common words."""
    return frozenset(ENDING.sub("", word) for word in WORD.findall(text.lower()) if not COMMON.fullmatch(word))


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the Jaccard index; 0 if both are empty."""
    return len(one & other) / len(one | other) if one | other else 0.0
