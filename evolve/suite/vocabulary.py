"""The words of single tasks, read from all files of a suite: what the guard looks for in patches."""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
import sys
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from evolve.core.records import Task
from evolve.guard.leaks import FAINT, STRONG, WEAK, Sign, Vocabulary, split_words, word_runs

# Words of general use: those of many modules of Python's standard library, and of this project.
COMMON_FILE = Path(__file__).with_name("common_words.txt")
# What stands in more tasks than this tells of none of them.
MOST_TASKS = 2
# A word of so many tasks is general.
GENERAL_TASKS = 4
MAX_FILE_BYTES = 200_000
MAX_TASK_BYTES = 1_000_000
FOLDERS = ("environment", "tests", "solution")
LEAST_LITERAL = 6
LONG_LITERAL = 16
MOST_DIGITS = 40
ENDINGS = ("s", "es", "d", "ed", "ing", "ly", "er")

_DEFINED = re.compile(
    r"^\s*(?:async\s+)?(?:def|class|function|func|fn)\s+(\w+)|^([A-Za-z_]\w{2,})\s*(?::[^=\n]+)?=[^=]", re.M
)
_QUOTED = re.compile(r'"([^"\\\n]{6,200})"|\'([^\'\\\n]{6,200})\'')
_NUMBER = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?![\w.])")
_WORD = re.compile(r"[A-Za-z]+|\d+")
# In a run of words these tell nothing; nor do words of less than four letters.
_EMPTY_WORDS = frozenset([
    *keyword.kwlist, "that", "this", "with", "from", "have", "been", "they", "them", "then", "than", "when", "where",
    "which", "will", "would", "should", "could", "into", "over", "after", "before", "only", "also", "each", "every",
    "both", "some", "such", "more", "most", "must", "were", "what", "your", "there", "their", "these", "those", "other",
    "being", "does", "self", "init", "return", "python", "unittest", "assertequal",
])  # fmt: skip

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class _Texts:
    """One task: its name, its instruction, and its text files by path."""

    name: str
    instruction: str
    files: Mapping[str, str]

    def words(self) -> set[str]:
        """All words in small letters."""
        return {
            word
            for text in (self.name, self.instruction, *self.files, *self.files.values())
            for word in split_words(text)
        }


def vocabulary_of(tasks: Iterable[Task]) -> Vocabulary:
    """What is found in one or two of these tasks only, of whatever split; files that are no text are passed over."""
    texts = _without_shared([_texts(task) for task in tasks])
    words = [one.words() for one in texts]
    rare = _rare_of(words)
    return Vocabulary(
        names=_signs([{tuple(split_words(one.name)): _name_weight(one.name, rare)} for one in texts]),
        identifiers=_signs([_identifiers(one, rare) for one in texts]),
        literals=_signs([_literals(one, rare) | _paths(one, rare) for one in texts]),
        words=_signs([dict.fromkeys(some & rare, FAINT) for some in words]),
        runs=_signs([_runs(one) for one in texts]),
    )


def _texts(task: Task) -> _Texts:
    files: dict[str, str] = {}
    room = MAX_TASK_BYTES
    for folder in FOLDERS:
        for path in sorted((task.folder / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.stat().st_size <= min(MAX_FILE_BYTES, room):
                data = path.read_bytes()
                room -= len(data)
                if b"\0" not in data:
                    files[path.relative_to(task.folder).as_posix()] = data.decode("utf-8", "replace")
    return _Texts(task.name, task.instruction, files)


def _without_shared(texts: list[_Texts]) -> list[_Texts]:
    """Files that many tasks have, such as a verifier, are no task's own."""
    digests = {(one.name, path): _digest(text) for one in texts for path, text in one.files.items()}
    counts = Counter(digests.values())
    return [
        _Texts(
            one.name,
            one.instruction,
            {path: text for path, text in one.files.items() if counts[digests[one.name, path]] <= MOST_TASKS * 2},
        )
        for one in texts
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _rare_of(words: list[set[str]]) -> frozenset[str]:
    """The words that are in no general use: neither in the list nor in several tasks. words: a set for each task."""
    counts = Counter(word for some in words for word in some)
    general = {word for word, count in counts.items() if count >= GENERAL_TASKS}
    common = general.union(COMMON_FILE.read_text(encoding="utf-8").split())
    return frozenset(word for word in counts if _is_rare(word, common))


def _is_rare(word: str, common: Collection[str]) -> bool:
    """Whether a word of small letters is not common, in the plural and with usual endings neither."""
    if len(word) < 4 or not word.isalpha():
        return False
    stems = {word, *(word.removesuffix(end) for end in ENDINGS), f"{word}s"}
    return not any(stem in common or f"{stem}e" in common for stem in stems)


def _signs(weights: list[dict[Key, int]]) -> dict[Key, Sign]:
    """By what is found: its greatest weight and the tasks that have it, if they are few. weights: one for each task."""
    tasks: dict[Key, set[int]] = {}
    best: dict[Key, int] = {}
    for label, found in enumerate(weights):
        for key, weight in found.items():
            tasks.setdefault(key, set()).add(label)
            best[key] = max(best.get(key, 0), weight)
    return {
        key: Sign(best[key], frozenset(labels))
        for key, labels in tasks.items()
        if best[key] and len(labels) <= MOST_TASKS
    }


def _name_weight(name: str, rare: Collection[str]) -> int:
    words = split_words(name)
    odd = any(word in rare for word in words)
    if len(words) == 1:
        return WEAK if odd else 0
    return STRONG if len(words) > 2 and odd else WEAK


def _identifiers(one: _Texts, rare: Collection[str]) -> dict[str, int]:
    """The names that a task's code defines, and those of its modules."""
    reserved = {*keyword.kwlist, *dir(builtins), *sys.stdlib_module_names}
    names = {path.rpartition("/")[2].partition(".")[0] for path in one.files if path.endswith(".py")}
    for path, text in one.files.items():
        if not path.endswith((".sh", "Dockerfile")):
            names.update(found[1] or found[2] for found in _DEFINED.finditer(text))
    return {name.strip("_"): _identifier_weight(name.strip("_"), rare) for name in names - reserved}


def _identifier_weight(name: str, rare: Collection[str]) -> int:
    words = [word for word in split_words(name) if word != "test"]
    odd = any(word in rare for word in words)
    if len(words) == 1:
        return 0 if not odd else WEAK if len(name) >= 10 else FAINT
    if len(words) >= 5:
        return STRONG
    return WEAK if odd or len(words) > 2 or (name[:1].isupper() and not name.isupper()) else FAINT


def _literals(one: _Texts, rare: Collection[str]) -> dict[str, int]:
    """Values in its tests and its solution that nobody writes by chance."""
    found: dict[str, int] = {}
    for path, text in one.files.items():
        if path.endswith(".py"):
            for match in _QUOTED.finditer(text):
                found[match[1] or match[2]] = _literal_weight(match[1] or match[2], rare)
            for match in _NUMBER.finditer(text):
                if _distinctive(match[0]):
                    found[match[0]] = WEAK
    return found


def _literal_weight(text: str, rare: Collection[str]) -> int:
    words = split_words(text)
    odd = any(word in rare for word in words)
    if len(words) >= 3 and len(text) >= LONG_LITERAL and (odd or len(words) >= 5):
        return STRONG
    mixed = any(char.isdigit() for char in text) and any(char.isalpha() for char in text)
    return WEAK if odd or (mixed and len(text) >= LEAST_LITERAL) else 0


def _distinctive(number: str) -> bool:
    """Whether a number is long, and neither round nor a power of two."""
    digits = number.replace("_", "").replace(".", "")
    if len(digits) < LEAST_LITERAL or len(digits.strip("0")) < LEAST_LITERAL - 1:
        return False
    # Python refuses to read the longest ones.
    return len(digits) > MOST_DIGITS or int(digits).bit_count() != 1


def _paths(one: _Texts, rare: Collection[str]) -> dict[str, int]:
    """File names, and those with their folder, of what stands in the task's container."""
    found: dict[str, int] = {}
    for path in one.files:
        folder, _, name = path.rpartition("/")
        stem = name.partition(".")[0]
        if not path.startswith("environment/") or not stem or "." not in name:
            continue
        odd = any(word in rare for word in split_words(stem))
        found[name] = WEAK if odd else FAINT
        if folder.count("/") > 1:
            above = folder.rpartition("/")[2]
            whole = odd or any(word in rare for word in split_words(above))
            found[f"{above}/{name}"] = STRONG if whole else WEAK
    return found


def _runs(one: _Texts) -> dict[tuple[str, ...], int]:
    """Words in a row, at least three of which mean something."""
    texts = (text for path, text in one.files.items() if path.endswith((".py", ".md", ".txt", ".sh")))
    found = (
        run for text in (one.instruction, *texts) for run in word_runs([word.lower() for word in _WORD.findall(text)])
    )
    return {run: STRONG for run in found if _telling(run)}


def _telling(run: Iterable[str]) -> bool:
    return len({word for word in run if len(word) > 3 and word not in _EMPTY_WORDS}) >= 3
