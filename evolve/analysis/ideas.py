"""Whether a patch is an idea that was tried before, be it in other words. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
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
    """What a patch is about. lines: those that it takes away or adds (sign, path, text without spaces and case);
    said: stems of its hypothesis; done: stems of the lines that it adds; amounts: of a patch that changes nothing but
    numbers, the difference at each place."""

    lines: frozenset[str]
    said: frozenset[str]
    done: frozenset[str]
    amounts: Mapping[str, float]


def idea(hypothesis: str, edits: Sequence[FileEdit], before: Mapping[str, str]) -> Idea:
    """before: the files that the edits are made to, by path."""
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
    """The same change, or about as much of it; or a like change for a like reason, in other words."""
    if one.amounts and one.amounts.keys() == other.amounts.keys():
        return all(_alike(amount, other.amounts[place]) for place, amount in one.amounts.items())
    if _overlap(one.lines, other.lines) >= SAME_LINES:
        return True
    return _overlap(one.said, other.said) >= SAME_WORDS and _overlap(one.done, other.done) >= SAME_WORDS


def count_repeated(found: Sequence[Idea]) -> int:
    """How many have the idea of one before."""
    return sum(any(same_idea(one, other) for other in found[:place]) for place, one in enumerate(found))


def _alike(one: float, other: float) -> bool:
    """Whether two differences have one direction, and neither is over AS_MUCH times the other."""
    return one * other > 0 and 1 / AS_MUCH <= one / other <= AS_MUCH


def _amounts(changed: Sequence[tuple[str, str, str]]) -> dict[str, float]:
    """By place, which is the line without its numbers; empty if anything else is changed. changed: sign, path, text."""
    old, new = ([(path, text) for kind, path, text in changed if kind == sign] for sign in "-+")
    found: dict[str, float] = {}
    if len(old) != len(new):
        return {}
    for (path, before), (_, after) in zip(old, new, strict=True):
        if NUMBER.sub("#", _plain(before)) != NUMBER.sub("#", _plain(after)):
            return {}
        numbers = zip(NUMBER.findall(_plain(before)), NUMBER.findall(_plain(after)), strict=True)
        for place, (was, now) in enumerate(numbers):
            if float(was) != float(now):
                found[f"{path} {NUMBER.sub('#', _plain(after))} {place}"] = float(now) - float(was)
    return found


def _changed_lines(old: str, new: str) -> list[tuple[str, str]]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return [(line[0], line[1:]) for line in lines if line[:1] in "+-" and not line.startswith(("+++", "---"))]


def _plain(text: str) -> str:
    """Without spaces, case and a comment at the end."""
    return "".join(text.partition(" #")[0].lower().split())


def _stems(text: str) -> frozenset[str]:
    """The words without their endings, and the numbers; common words left out."""
    return frozenset(ENDING.sub("", word) for word in WORD.findall(text.lower()) if not COMMON.fullmatch(word))


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard's index; 0 where both are empty."""
    return len(one & other) / len(one | other) if one | other else 0.0
