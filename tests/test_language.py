"""Plain English: phrases and names of an older, private idiom do not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PHRASES = (
    "shall have",
    "id to begin",
    "go on with",
    "gone on with",
    "goes on with",
    "going on with",
    "in seconds of work",
    "let commercial use",
    "compare every file with its sha256",
    "counts as ended",
    "nothing is needed before",
    "whenever you like",
    "and it ends what it has begun",
    "goes on from where it was",
    "went as the tip's did",
    "as it must be",
    "what takes space and can go",
    "running it: a night",
    "and the care of",
    "what came of it",
    "of a round is told",
    "cost is told",
    "told in one line",
    "what it leaves",
    "is lacking",
    "are lacking",
    "may suffer",
    "looks elsewhere",
    "look elsewhere",
    "set aside",
    "the mend",
    "mends",
    "to be mended",
)
CLASSES = frozenset(
    {"Order", "Purse", "Terms", "Care", "Line", "Tally", "Reign", "Fate", "Lacks", "Ask", "MoreTrials", "Heap", "Wish"}
)
FUNCTIONS = frozenset(
    {"made_ready", "judged", "measured", "entered", "told_apart", "begun", "heard", "rowed", "_told", "_said", "_words"}
)
TEXTS = (
    "README.md",
    "AGENTS.md",
    "CHANGELOG.md",
    "docs/**/*.md",
    "evolve/**/*.md",
    "evolve/**/*.txt",
    "evolve/**/*.py",
)
NOT_PROSE = ("common_words.txt",)


def texts() -> list[Path]:
    """All that a user or a model reads."""
    files = [path for pattern in TEXTS for path in ROOT.glob(pattern)]
    return [path for path in files if path.name not in NOT_PROSE]


def phrases_in(text: str) -> list[str]:
    plain = " ".join(text.replace('"\n', " ").split()).lower()
    return [phrase for phrase in PHRASES if re.search(rf"\b{re.escape(phrase)}\b", plain)]


def old_names(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and node.name in CLASSES:
            yield f"class {node.name}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in FUNCTIONS:
            yield f"def {node.name}"


def test_no_text_uses_the_old_idiom() -> None:
    assert len(texts()) > 150
    assert {str(p.relative_to(ROOT)): hits for p in texts() if (hits := phrases_in(p.read_text("utf-8")))} == {}


def test_no_class_or_function_has_an_old_name() -> None:
    sources = {path: path.read_text("utf-8") for path in (ROOT / "evolve").rglob("*.py")}
    assert {str(p.relative_to(ROOT)): names for p, text in sources.items() if (names := list(old_names(text)))} == {}


@pytest.mark.parametrize("text", ["A task is Set\n  aside.", "x = 'it is gone on with'", "what\nit leaves"])
def test_a_phrase_is_found_across_lines_and_in_any_case(text: str) -> None:
    assert phrases_in(text)


def test_longer_words_are_no_phrases() -> None:
    assert phrases_in("she recommends the mending of amends") == []


def test_names_are_found_in_classes_and_methods() -> None:
    assert list(old_names("class Purse:\n    def rowed(self): ...")) == ["class Purse", "def rowed"]
