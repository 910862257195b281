"""Find words of single tasks in a patch: a scaffold must learn how to work, not the tasks themselves."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from evolve.guard.change import printable

# The weights of the signs are summed for each task. A patch is refused at this sum.
ENOUGH = 4
STRONG, WEAK, FAINT = 4, 2, 1
# Rare words of prose alone never refuse a patch, however many there are.
MOST_OF_FAINT = 3
RUN_WORDS = 6
MAX_NAMED = 3

_WORD = re.compile(r"[A-Za-z]+|\d+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
# Next to a task's name, these words show that the task is meant.
_ABOUT = r"(?:tasks?|problems?|exercises?|puzzles?|projects?|bugs?|kata)"
_QUOTE = "['\"`]"
# At least this many quoted names of tasks are a table of tasks.
LEAST_TABLE = 2


@dataclass(frozen=True)
class Sign:
    """How strongly a word points to tasks, and to which ones, by labels without a meaning."""

    weight: int
    tasks: frozenset[int]


@dataclass(frozen=True)
class Vocabulary:
    """Words that occur in one or two tasks of a suite only. An empty vocabulary knows no task.

    Attributes:
        names: The tasks' names, as words.
        identifiers: Names that the tasks' code defines.
        literals: Paths of their files and values of their tests, verbatim.
        words: Rare words of their texts, in lower case.
        runs: `RUN_WORDS` words in a row.
    """

    names: Mapping[tuple[str, ...], Sign] = field(default_factory=dict)
    identifiers: Mapping[str, Sign] = field(default_factory=dict)
    literals: Mapping[str, Sign] = field(default_factory=dict)
    words: Mapping[str, Sign] = field(default_factory=dict)
    runs: Mapping[tuple[str, ...], Sign] = field(default_factory=dict)


@dataclass(frozen=True)
class _Match:
    """A sign and its text in the patch. Matches with equal keys count once."""

    text: str
    key: str
    sign: Sign


def problem(added: str, known: str, own: Collection[str], vocabulary: Vocabulary) -> str | None:
    """Return why a patch must not be measured; None if there is no reason.

    The reason quotes words of the patch, and names no task.

    Args:
        added: The lines that the patch adds.
        known: The scaffold's text before the patch.
        own: Names that the scaffold's code uses.
        vocabulary: The words of single tasks.
    """
    old_keys = {match.key for match in _matches(known, own, vocabulary)}
    new = [match for match in _matches(added, own, vocabulary) if match.key not in old_keys]
    for label in sorted({label for match in new for label in match.sign.tasks}):
        strongest = _strongest_by_key([match for match in new if label in match.sign.tasks])
        if _weight(strongest) >= ENOUGH:
            return _reason([match.text for match in strongest])
    table = [name for name in _quoted_names(added, vocabulary) if name not in known]
    return _reason(table) if len(table) >= LEAST_TABLE else None


def _reason(words: list[str]) -> str:
    named = ", ".join(f"`{printable(word)}`" for word in words[:MAX_NAMED])
    return f"leak: {named}: words of single tasks; the scaffold must stay general, so remove them"


def _strongest_by_key(matches: list[_Match]) -> list[_Match]:
    """Return one match for each key, those with the largest weight first."""
    strongest: dict[str, _Match] = {}
    for match in sorted(matches, key=lambda match: -match.sign.weight):
        strongest.setdefault(match.key, match)
    return list(strongest.values())


def _weight(matches: list[_Match]) -> int:
    faint = sum(match.sign.weight for match in matches if match.sign.weight == FAINT)
    return sum(match.sign.weight for match in matches if match.sign.weight > FAINT) + min(faint, MOST_OF_FAINT)


def _matches(text: str, own: Collection[str], vocabulary: Vocabulary) -> Iterator[_Match]:
    words = [match[0].lower() for match in _WORD.finditer(text)]
    parts = split_words(text)
    yield from _name_matches(text, parts, vocabulary)
    for token in dict.fromkeys(_IDENTIFIER.findall(text)):
        if sign := vocabulary.identifiers.get(token.strip("_")):
            # A name that the scaffold's code does not use comes from other code.
            weight = sign.weight if token in own else max(sign.weight, WEAK)
            yield _Match(token, "".join(split_words(token)), Sign(weight, sign.tasks))
    for literal, sign in vocabulary.literals.items():
        if literal in text and _stands_alone(literal, text):
            yield _Match(literal, "".join(split_words(literal)) or literal, sign)
    for word in dict.fromkeys(parts):
        if sign := vocabulary.words.get(word):
            yield _Match(word, word, sign)
    for run in dict.fromkeys(word_runs(words)) if vocabulary.runs else ():
        if sign := vocabulary.runs.get(run):
            yield _Match(" ".join(run), "".join(run), sign)


def _name_matches(text: str, words: list[str], vocabulary: Vocabulary) -> Iterator[_Match]:
    lengths = sorted({len(name) for name in vocabulary.names})
    sequences = {tuple(words[start : start + length]) for length in lengths for start in range(len(words))}
    for name in sorted(sequences & vocabulary.names.keys()):
        sign, pattern = vocabulary.names[name], _name_pattern(name)
        as_task = rf"\b{_ABOUT}\s+{_QUOTE}?{pattern}(?!\w)|(?<!\w){pattern}{_QUOTE}?\s+{_ABOUT}\b"
        weight = STRONG if re.search(as_task, text, re.IGNORECASE) else sign.weight
        yield _Match(" ".join(name), "".join(name), Sign(weight, sign.tasks))


def _quoted_names(text: str, vocabulary: Vocabulary) -> list[str]:
    """Return the names of tasks that occur in quotes by themselves."""
    matches = (re.search(f"{_QUOTE}({_name_pattern(name)}){_QUOTE}", text) for name in sorted(vocabulary.names))
    return [match[1] for match in matches if match]


def _name_pattern(name: tuple[str, ...]) -> str:
    return "[-_ ]".join(map(re.escape, name))


def split_words(text: str) -> list[str]:
    """Split a text into words in lower case, and identifiers into theirs: `readFile_now` has three."""
    return [match[0].lower() for match in _PART.finditer(text)]


def word_runs(words: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield all runs of `RUN_WORDS` words."""
    return (tuple(words[start : start + RUN_WORDS]) for start in range(len(words) - RUN_WORDS + 1))


def _stands_alone(literal: str, text: str) -> bool:
    """Whether the literal occurs in the text, and not only as a part of longer words."""
    edge = rf"(?<!\w){re.escape(literal)}(?!\w)" if literal[:1].isalnum() or literal[:1] == "_" else re.escape(literal)
    return re.search(edge, text) is not None
