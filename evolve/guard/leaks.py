"""Words of single tasks in a patch: a scaffold that holds them has learned tasks, not how to work."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from evolve.guard.change import printable

# Signs are summed for each task; so many refuse a patch.
ENOUGH = 4
STRONG, WEAK, FAINT = 4, 2, 1
# Rare words of prose alone never refuse a patch, however many they are.
MOST_OF_FAINT = 3
RUN_WORDS = 6
MAX_NAMED = 3

_WORD = re.compile(r"[A-Za-z]+|\d+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
# Beside a task's name these say that it is the task that is meant.
_ABOUT = r"(?:tasks?|problems?|exercises?|puzzles?|projects?|bugs?|kata)"
_QUOTE = "['\"`]"
# So many names of tasks in quotes are a table of tasks.
LEAST_TABLE = 2


@dataclass(frozen=True)
class Sign:
    """How much it tells that a text holds something, and of which tasks, by labels that mean nothing."""

    weight: int
    tasks: frozenset[int]


@dataclass(frozen=True)
class Vocabulary:
    """What is found in one or two tasks of a suite only. An empty one knows of no task.

    names: a task's name as words; identifiers: what its code defines; literals: its files' paths and its tests' values,
    letter by letter; words: rare words of its texts, in small letters; runs: `RUN_WORDS` words in a row.
    """

    names: Mapping[tuple[str, ...], Sign] = field(default_factory=dict)
    identifiers: Mapping[str, Sign] = field(default_factory=dict)
    literals: Mapping[str, Sign] = field(default_factory=dict)
    words: Mapping[str, Sign] = field(default_factory=dict)
    runs: Mapping[tuple[str, ...], Sign] = field(default_factory=dict)


@dataclass(frozen=True)
class _Found:
    """A sign as it stands in the patch; those with equal keys count once."""

    text: str
    key: str
    sign: Sign


def problem(added: str, known: str, own: Collection[str], vocabulary: Vocabulary) -> str | None:
    """Why a patch may not be measured that adds these lines to a scaffold of this text; None if there is no reason.

    own: the names that the scaffold's code uses. The reason names words of the patch only, and no task.
    """
    explained = {found.key for found in _signs(known, own, vocabulary)}
    new = [found for found in _signs(added, own, vocabulary) if found.key not in explained]
    for label in sorted({label for found in new for label in found.sign.tasks}):
        best = _by_key([found for found in new if label in found.sign.tasks])
        if _weight(best) >= ENOUGH:
            return _reason([found.text for found in best])
    table = [name for name in _quoted(added, vocabulary) if name not in known]
    return _reason(table) if len(table) >= LEAST_TABLE else None


def _reason(words: list[str]) -> str:
    named = ", ".join(f"`{printable(word)}`" for word in words[:MAX_NAMED])
    return f"leak: {named}: words of single tasks; the scaffold must stay general, so say it without them"


def _by_key(found: list[_Found]) -> list[_Found]:
    """One for each key, the weightiest first."""
    best: dict[str, _Found] = {}
    for one in sorted(found, key=lambda one: -one.sign.weight):
        best.setdefault(one.key, one)
    return list(best.values())


def _weight(found: list[_Found]) -> int:
    faint = sum(one.sign.weight for one in found if one.sign.weight == FAINT)
    return sum(one.sign.weight for one in found if one.sign.weight > FAINT) + min(faint, MOST_OF_FAINT)


def _signs(text: str, own: Collection[str], vocabulary: Vocabulary) -> Iterator[_Found]:
    words = [found[0].lower() for found in _WORD.finditer(text)]
    split = split_words(text)
    yield from _names(text, split, vocabulary)
    for token in dict.fromkeys(_IDENTIFIER.findall(text)):
        if sign := vocabulary.identifiers.get(token.strip("_")):
            # A name that the scaffold's code does not use is of other code.
            weight = sign.weight if token in own else max(sign.weight, WEAK)
            yield _Found(token, "".join(split_words(token)), Sign(weight, sign.tasks))
    for literal, sign in vocabulary.literals.items():
        if literal in text and _stands_alone(literal, text):
            yield _Found(literal, "".join(split_words(literal)) or literal, sign)
    for word in dict.fromkeys(split):
        if sign := vocabulary.words.get(word):
            yield _Found(word, word, sign)
    for run in dict.fromkeys(word_runs(words)) if vocabulary.runs else ():
        if sign := vocabulary.runs.get(run):
            yield _Found(" ".join(run), "".join(run), sign)


def _names(text: str, words: list[str], vocabulary: Vocabulary) -> Iterator[_Found]:
    lengths = sorted({len(name) for name in vocabulary.names})
    there = {tuple(words[start : start + length]) for length in lengths for start in range(len(words))}
    for name in sorted(there & vocabulary.names.keys()):
        sign, spelled = vocabulary.names[name], _spelled(name)
        meant = rf"\b{_ABOUT}\s+{_QUOTE}?{spelled}(?!\w)|(?<!\w){spelled}{_QUOTE}?\s+{_ABOUT}\b"
        weight = STRONG if re.search(meant, text, re.IGNORECASE) else sign.weight
        yield _Found(" ".join(name), "".join(name), Sign(weight, sign.tasks))


def _quoted(text: str, vocabulary: Vocabulary) -> list[str]:
    """The names of tasks that stand in quotes by themselves."""
    found = (re.search(f"{_QUOTE}({_spelled(name)}){_QUOTE}", text) for name in sorted(vocabulary.names))
    return [match[1] for match in found if match]


def _spelled(name: tuple[str, ...]) -> str:
    return "[-_ ]".join(map(re.escape, name))


def split_words(text: str) -> list[str]:
    """The words of a text in small letters, those of identifiers apart: `readFile_now` is three."""
    return [found[0].lower() for found in _PART.finditer(text)]


def word_runs(words: list[str]) -> Iterator[tuple[str, ...]]:
    """All runs of `RUN_WORDS` words."""
    return (tuple(words[start : start + RUN_WORDS]) for start in range(len(words) - RUN_WORDS + 1))


def _stands_alone(literal: str, text: str) -> bool:
    """Whether a text holds a literal that is no part of a longer word."""
    edge = rf"(?<!\w){re.escape(literal)}(?!\w)" if literal[:1].isalnum() or literal[:1] == "_" else re.escape(literal)
    return re.search(edge, text) is not None
