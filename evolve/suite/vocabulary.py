"""Extract the words that only single tasks use; the guard searches patches for them."""

from __future__ import annotations

import builtins
import hashlib
import itertools
import keyword
import re
import sys
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from evolve.core.instances import Instance
from evolve.core.records import Task
from evolve.guard.leaks import FAINT, STRONG, WEAK, Sign, Vocabulary, split_words, word_runs

# Words of general use: those of many modules of Python's standard library, and of this project.
COMMON_FILE = Path(__file__).with_name("common_words.txt")
# A string that occurs in more tasks than this identifies none of them.
MOST_TASKS = 2
# A word that occurs in this many tasks is in general use.
GENERAL_TASKS = 4
MAX_FILE_BYTES = 200_000
MAX_TASK_BYTES = 1_000_000
FOLDERS = ("environment", "tests", "solution", "instances", "steps")
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
# Words that identify nothing within a run of words; words of less than four letters don't either.
_EMPTY_WORDS = frozenset([
    *keyword.kwlist, "that", "this", "with", "from", "have", "been", "they", "them", "then", "than", "when", "where",
    "which", "will", "would", "should", "could", "into", "over", "after", "before", "only", "also", "each", "every",
    "both", "some", "such", "more", "most", "must", "were", "what", "your", "there", "their", "these", "those", "other",
    "being", "does", "self", "init", "return", "python", "unittest", "assertequal",
])  # fmt: skip

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class _TaskTexts:
    """One task: its name, its instruction, and its text files by path."""

    name: str
    instruction: str
    files: Mapping[str, str]

    def words(self) -> set[str]:
        """All words, in lower case."""
        return {
            word
            for text in (self.name, self.instruction, *self.files, *self.files.values())
            for word in split_words(text)
        }


def vocabulary_of(tasks: Iterable[Task], instances: Mapping[str, Sequence[Instance]] | None = None) -> Vocabulary:
    """Collect what occurs in only one or two of the tasks, of any split; binary files are skipped.

    Args:
        instances: By the name of the task, some of its generated instances, whose texts count as the task's.
    """
    texts = _without_shared([_read_texts(task, (instances or {}).get(task.name, ())) for task in tasks])
    words = [task.words() for task in texts]
    rare = _rare_words(words)
    return Vocabulary(
        names=_signs([{tuple(split_words(task.name)): _name_weight(task.name, rare)} for task in texts]),
        identifiers=_signs([_identifiers(task, rare) for task in texts]),
        literals=_signs([_literals(task, rare) | _paths(task, rare) for task in texts]),
        words=_signs([dict.fromkeys(task_words & rare, FAINT) for task_words in words]),
        runs=_signs([_runs(task) for task in texts]),
    )


def _read_texts(task: Task, instances: Sequence[Instance]) -> _TaskTexts:
    files: dict[str, str] = {}
    room = MAX_TASK_BYTES
    for path, data in itertools.chain(_files_on_disk(task), _files_of_instances(instances)):
        if len(data) <= room:
            room -= len(data)
            if b"\0" not in data:
                files[path] = data.decode("utf-8", "replace")
    texts = dict.fromkeys([task.instruction, *(one.instruction or "" for one in instances)])
    return _TaskTexts(task.name, "\n".join(text for text in texts if text), files)


def _files_on_disk(task: Task) -> Iterator[tuple[str, bytes]]:
    for folder in FOLDERS:
        for path in sorted((task.folder / folder).rglob("*")):
            # A link in a build context may lead to any file of this machine.
            if path.is_symlink() or not path.is_file():
                continue
            if "__pycache__" not in path.parts and path.stat().st_size <= MAX_FILE_BYTES:
                yield path.relative_to(task.folder).as_posix(), path.read_bytes()


def _files_of_instances(instances: Sequence[Instance]) -> Iterator[tuple[str, bytes]]:
    """Those of the working directory have the paths that a task's own files have."""
    for number, instance in enumerate(instances):
        for path, file in sorted(instance.files.items()):
            if len(file.data) <= MAX_FILE_BYTES:
                folder, _, name = path.partition("/")
                yield f"{'environment' if folder == 'workdir' else folder}/{number}/{name}", file.data


def _without_shared(texts: list[_TaskTexts]) -> list[_TaskTexts]:
    """Drop the files that many tasks share, such as a verifier."""
    digests = {(task.name, path): _digest(text) for task in texts for path, text in task.files.items()}
    counts = Counter(digests.values())
    return [
        _TaskTexts(
            task.name,
            task.instruction,
            {path: text for path, text in task.files.items() if counts[digests[task.name, path]] <= MOST_TASKS * 2},
        )
        for task in texts
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _rare_words(words: list[set[str]]) -> frozenset[str]:
    """The words that are not in general use: neither in COMMON_FILE nor in several tasks. words: one set per task."""
    counts = Counter(word for task_words in words for word in task_words)
    general = {word for word, count in counts.items() if count >= GENERAL_TASKS}
    common = general.union(COMMON_FILE.read_text(encoding="utf-8").split())
    return frozenset(word for word in counts if _is_rare(word, common))


def _is_rare(word: str, common: Collection[str]) -> bool:
    """Whether a lower-case word is not common, neither as it is nor in the plural or with a usual ending."""
    if len(word) < 4 or not word.isalpha():
        return False
    stems = {word, *(word.removesuffix(end) for end in ENDINGS), f"{word}s"}
    return not any(stem in common or f"{stem}e" in common for stem in stems)


def _signs(weights: list[dict[Key, int]]) -> dict[Key, Sign]:
    """Map each string to its greatest weight and its tasks, if those are few. weights: one mapping per task."""
    tasks: dict[Key, set[int]] = {}
    best: dict[Key, int] = {}
    for label, task_weights in enumerate(weights):
        for key, weight in task_weights.items():
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


def _identifiers(task: _TaskTexts, rare: Collection[str]) -> dict[str, int]:
    """The names that a task's code defines, and the names of its modules."""
    reserved = {*keyword.kwlist, *dir(builtins), *sys.stdlib_module_names}
    names = {path.rpartition("/")[2].partition(".")[0] for path in task.files if path.endswith(".py")}
    for path, text in task.files.items():
        if not path.endswith((".sh", "Dockerfile")):
            names.update(match[1] or match[2] for match in _DEFINED.finditer(text))
    return {name.strip("_"): _identifier_weight(name.strip("_"), rare) for name in names - reserved}


def _identifier_weight(name: str, rare: Collection[str]) -> int:
    words = [word for word in split_words(name) if word != "test"]
    odd = any(word in rare for word in words)
    if len(words) == 1:
        return 0 if not odd else WEAK if len(name) >= 10 else FAINT
    if len(words) >= 5:
        return STRONG
    return WEAK if odd or len(words) > 2 or (name[:1].isupper() and not name.isupper()) else FAINT


def _literals(task: _TaskTexts, rare: Collection[str]) -> dict[str, int]:
    """String and number literals in its Python files that nobody writes by chance."""
    weights: dict[str, int] = {}
    for path, text in task.files.items():
        if path.endswith(".py"):
            for match in _QUOTED.finditer(text):
                weights[match[1] or match[2]] = _literal_weight(match[1] or match[2], rare)
            for match in _NUMBER.finditer(text):
                if _is_distinctive(match[0]):
                    weights[match[0]] = WEAK
    return weights


def _literal_weight(text: str, rare: Collection[str]) -> int:
    words = split_words(text)
    odd = any(word in rare for word in words)
    if len(words) >= 3 and len(text) >= LONG_LITERAL and (odd or len(words) >= 5):
        return STRONG
    mixed = any(char.isdigit() for char in text) and any(char.isalpha() for char in text)
    return WEAK if odd or (mixed and len(text) >= LEAST_LITERAL) else 0


def _is_distinctive(number: str) -> bool:
    """Whether a number is long, and neither round nor a power of two."""
    digits = number.replace("_", "").replace(".", "")
    if len(digits) < LEAST_LITERAL or len(digits.strip("0")) < LEAST_LITERAL - 1:
        return False
    # Python refuses to parse the longest integers.
    return len(digits) > MOST_DIGITS or int(digits).bit_count() != 1


def _paths(task: _TaskTexts, rare: Collection[str]) -> dict[str, int]:
    """The names of the files in the task's container, alone and with their folder."""
    weights: dict[str, int] = {}
    for path in task.files:
        folder, _, name = path.rpartition("/")
        stem = name.partition(".")[0]
        if not path.startswith("environment/") or not stem or "." not in name:
            continue
        odd = any(word in rare for word in split_words(stem))
        weights[name] = WEAK if odd else FAINT
        if folder.count("/") > 1:
            above = folder.rpartition("/")[2]
            whole = odd or any(word in rare for word in split_words(above))
            weights[f"{above}/{name}"] = STRONG if whole else WEAK
    return weights


def _runs(task: _TaskTexts) -> dict[tuple[str, ...], int]:
    """Runs of consecutive words, at least three of which are specific."""
    texts = (text for path, text in task.files.items() if path.endswith((".py", ".md", ".txt", ".sh")))
    consecutive = (
        run for text in (task.instruction, *texts) for run in word_runs([w.lower() for w in _WORD.findall(text)])
    )
    return {run: STRONG for run in consecutive if _is_specific(run)}


def _is_specific(run: Iterable[str]) -> bool:
    return len({word for word in run if len(word) > 3 and word not in _EMPTY_WORDS}) >= 3
