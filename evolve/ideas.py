"""Whether a patch is an idea that was tried before, be it in other words. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.records import FileEdit

SAME_LINES = 0.75
SAME_WORDS = 0.6
WORD = re.compile(r"[a-z]{3,}|\d+(?:\.\d+)?")
ENDING = re.compile(r"(?<=\w{3})(?:ing|ed|es|s|e)$")
COMMON = re.compile(
    r"the|and|for|with|that|this|from|was|were|had|has|have|not|them|they|its|are|all|but|which|should|more"
)


@dataclass(frozen=True)
class Idea:
    """What a patch is about. lines: those that it takes away or adds (sign, path, text without spaces and case);
    said: stems of its hypothesis; done: stems of the lines that it adds."""

    lines: frozenset[str]
    said: frozenset[str]
    done: frozenset[str]


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
    )


def same(one: Idea, other: Idea) -> bool:
    """The same change; or, in other words, a like change for a like reason."""
    if _overlap(one.lines, other.lines) >= SAME_LINES:
        return True
    return _overlap(one.said, other.said) >= SAME_WORDS and _overlap(one.done, other.done) >= SAME_WORDS


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
