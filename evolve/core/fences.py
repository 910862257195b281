"""Texts by models and trials inside prompts: they can neither close the fence around them nor pass for lines of ours.

A fence is `<name>`, the text on lines of its own, `</name>`. Ordinary texts stay as they are, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from evolve.core.records import stable_hash

# The fences of all prompts.
NAMES = ("digest", "facts", "file", "files", "improve-scaffold", "memory", "patch", "problem", "refused")
# All that a reader may take for the end of a line, not only "\n".
BREAK = re.compile("(\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029])")
MARK = "| "

_FENCE_LINE = re.compile(rf"\s*<\s*(?:/\s*)?(?:{'|'.join(NAMES)})(?:[-\s>/]|$)", re.IGNORECASE)
# How lines begin in digests, memories and trials: whoever adds a kind of line adds its beginning here.
_OURS = (
    r"#{1,6}\s*(?:round|lesson|earlier|instruction|digest|memory)\b",
    r"#{2,6}\s",
    r"-\s+(?:G\d+:|\d+ of \d+ |a trial earns |fixed:|broken:|unstable |failed trials took )",
    r"against the scaffold before",
    r"rounds?\s+\d+",
    r"(?:tried|predicted|effect|decision|lesson|feared to break|went better|went worse|unstable)\b[^:\n]{0,40}:",
    r"(?:how the failed trials ended|patterns in the failed trials)",
    r"(?:end of the failed )?trial\s+\S+\.\d+",
    r"(?:\d+\s+)?\[(?:user|agent|system|assistant|tool)\]",
    r"(?:->|<-|\(thinking\)|\(cut|\(more|\(this is the first round)",
    r"`{3,}|~{3,}",
)
_PASSES = re.compile(rf"(?:\| )*\s*(?:{'|'.join(_OURS)})", re.IGNORECASE)
_QUOTED = re.compile(rf"\| {_PASSES.pattern}", re.IGNORECASE)


def escaped(text: str, names: Sequence[str] = NAMES) -> str:
    """The text as it stands in a fence: what looks like a tag of one gets a backslash; `unescaped` undoes it."""
    return re.sub(rf"<(?=\\*{_tag(names)})", r"<\\", text, flags=re.IGNORECASE)


def unescaped(text: str, names: Sequence[str] = NAMES) -> str:
    """The text that was escaped."""
    return re.sub(rf"<\\(?=\\*{_tag(names)})", "<", text, flags=re.IGNORECASE)


def _tag(names: Sequence[str]) -> str:
    return rf"\s*(?:/\s*)?(?:{'|'.join(names)})(?![\w-])"


def section(text: str, name: str) -> str:
    """The text in the first fence of this name, with the line breaks at its ends; "" if there is none."""
    match = re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return unescaped(match[1]) if match else ""


def file_block(path: str, text: str) -> str:
    """A file, whose text stays as it is: where a line looks like a tag, the end has a key that the text lacks."""
    if not any(_FENCE_LINE.match(line) for line in BREAK.split(text)):
        return f'<file path="{path}">\n{text}\n</file>'
    key = _key(text)
    return f'<file path="{path}" end="{key}">\n{text}\n</file-{key}>'


def _key(text: str) -> str:
    """A key that depends on the text alone, and does not occur in it."""
    keys = (f"{stable_hash('fence', text, number):016x}" for number in range(len(text) + 1))
    return next(key for key in keys if key not in text)


def one_line(text: str) -> str:
    """The text as one line."""
    return " ".join(BREAK.sub("\n", text).split("\n"))


def quoted(text: str) -> str:
    """The text after which no line passes for one of ours: such lines get MARK. Its first line goes on one of ours."""
    return _by_line(text, lambda line: MARK + line if _PASSES.match(line) else line)


def unquoted(text: str) -> str:
    """The text that was quoted."""
    return _by_line(text, lambda line: line.removeprefix(MARK) if _QUOTED.match(line) else line)


def _by_line(text: str, change: Callable[[str], str]) -> str:
    first, *rest = BREAK.split(text)
    return first + "".join(change(part) if number % 2 else part for number, part in enumerate(rest))
