"""Tell a working model from a broken one: questions with known answers, and the shape of a long text. Pure."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A text shorter than this shows nothing: many correct answers are short and repetitive.
LEAST_CHARS = 400
# Of text that a broken quantisation or kernel writes, over nine words in ten repeat; of the repetitive prose of a model
# with 135 million parameters at temperature 0, four in ten (SmolLM2-135M-Instruct, 500 tokens).
LEAST_DISTINCT = 0.1
# How many times smaller zlib makes such a text; of that prose, 3.8 times.
MOST_COMPRESSION = 15.0
MOST_UNREADABLE = 0.3


@dataclass(frozen=True)
class Question:
    """A question that any instruction-tuned model can answer. `answer`: a pattern that a right answer contains."""

    text: str
    answer: str

    def is_answered_by(self, text: str) -> bool:
        return re.search(self.answer, text, re.IGNORECASE) is not None


QUESTIONS = (
    Question("What is 7 + 5? Answer with the number only.", r"\b(12|twelve)\b"),
    Question("What is the capital of France? Answer with one word.", r"\bparis\b"),
    Question("Repeat this sentence and write nothing else: The blue boat sails at noon.", r"blue boat sails at noon"),
)
LONG_QUESTION = "Explain how a bicycle works, in about 200 words of plain prose."


def text_of(completion: Mapping[str, Any]) -> str:
    """The reasoning and the content of an answer, as one text."""
    message = completion["choices"][0]["message"]
    parts = [message.get(key) for key in ("reasoning_content", "reasoning", "content")]
    return "\n".join(part for part in parts if isinstance(part, str))


def garbage(text: str) -> str:
    """Why a text is nothing that a working model writes by itself; "" if it may be."""
    if len(text) < LEAST_CHARS:
        return ""
    unreadable = sum(not (char.isprintable() or char.isspace()) or char == "\ufffd" for char in text) / len(text)
    if unreadable > MOST_UNREADABLE:
        return f"{unreadable:.0%} of its characters are unreadable"
    if (ratio := _compression(text)) > MOST_COMPRESSION and _distinct_share(text) < LEAST_DISTINCT:
        return f"it repeats itself (it can be compressed {ratio:.0f} times)"
    return ""


def _compression(text: str) -> float:
    data = text.encode("utf-8", "replace")
    return len(data) / len(zlib.compress(data))


def _distinct_share(text: str) -> float:
    """The share of distinct runs of three words; of twelve characters, where there are hardly any spaces."""
    words = text.split()
    if len(words) * 12 < len(text):
        words = [text[at : at + 4] for at in range(0, len(text), 4)]
    runs = list(zip(words, words[1:], words[2:], strict=False))
    return len(set(runs)) / len(runs) if runs else 1.0
