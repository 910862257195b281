"""How much of a brief fits into the model's context window: files first, then the digest, then the earlier rounds."""

from __future__ import annotations

import json
import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from evolve.core.fences import file_block
from evolve.core.records import ModelSpec
from evolve.llm import estimate_prompt_tokens
from evolve.llm.estimates import BYTES_PER_TOKEN

NO_LIMIT = sys.maxsize
SHOWN_FILES_CHARS = 150_000
# Shares of the room that are kept for the digest and for the earlier rounds, even if the files could fill it.
DIGEST_SHARE, MEMORY_SHARE = 0.25, 0.1
# Shares of the window: for the answer, and for what is looked up before it.
ANSWER_SHARE, READING_SHARE = 0.25, 0.25
# Bytes of a line break in a request.
LINE_BREAK = 2
# At most, of the note of how much was cut.
NOTE_BYTES = 40
CUT = "(cut to fit into the context window)"


@dataclass(frozen=True)
class Shown:
    """The parts of a brief as they are shown. files: the paths of those shown in full."""

    files: tuple[str, ...]
    digest: str
    memory: str


def size(text: str) -> int:
    """Bytes of a text in a request, where line breaks and quotes take two."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2


def fit(files: Mapping[str, str], digest: str, memory: str, room: int) -> Shown:
    """Choose what is shown in so many bytes."""
    for_digest, for_memory = min(size(digest), int(room * DIGEST_SHARE)), min(size(memory), int(room * MEMORY_SHARE))
    shown = smallest_files(files, room - for_digest - for_memory)
    left = room - sum(size(file_block(path, files[path])) for path in shown)
    kept = first_lines(digest, left - for_memory)
    return Shown(shown, kept, last_lines(memory, left - size(kept)))


def smallest_files(files: Mapping[str, str], room: int) -> tuple[str, ...]:
    """The smallest files that fit into so many bytes, by path."""
    chars, shown = SHOWN_FILES_CHARS, []
    for path in sorted(files, key=lambda path: (len(files[path]), path)):
        chars, room = chars - len(files[path]), room - size(file_block(path, files[path]))
        if chars >= 0 and room >= 0:
            shown.append(path)
    return tuple(sorted(shown))


def first_lines(text: str, room: int) -> str:
    """The text, or those of its first lines that fit, with a note."""
    if size(text) <= room:
        return text
    return "\n".join([*_fitting(text.split("\n"), room), CUT])


def last_lines(text: str, room: int) -> str:
    """The text, or those of its last lines that fit, with a note."""
    if size(text) <= room:
        return text
    return "\n".join([CUT, *reversed(_fitting(text.split("\n")[::-1], room))])


def _fitting(lines: Sequence[str], room: int) -> list[str]:
    """The first lines that fit, line breaks and the note included."""
    sizes = accumulate((size(line) + LINE_BREAK for line in lines), initial=size(CUT))
    return [line for line, total in zip(lines, islice(sizes, 1, None), strict=True) if total <= room]


def first_chars(text: str, room: int) -> str:
    """The text, or as much of its beginning as fits, with a note of what is missing."""
    if size(text) <= room:
        return text
    end = bisect_right(range(len(text)), room - NOTE_BYTES, key=lambda end: size(text[:end]))
    kept = text[: max(end - 1, 0)]
    return f"{kept}\n(cut: {len(text) - len(kept)} more characters)"


def answer_limit(spec: ModelSpec, wanted: int) -> int:
    """The length of an answer to ask for, in tokens: as wanted, but at most what the endpoint allows."""
    return min(wanted, spec.answer_tokens or wanted)


def brief_room(spec: ModelSpec, fixed: int, answer: int) -> int:
    """Bytes for the parts of a brief, beside so many tokens of fixed text and of the answer."""
    if spec.context_tokens is None:
        return NO_LIMIT
    kept = min(answer, int(spec.context_tokens * ANSWER_SHARE)) + int(spec.context_tokens * READING_SHARE)
    return max(spec.context_tokens - fixed - kept, 0) * BYTES_PER_TOKEN


def reading_room(spec: ModelSpec, request: Mapping[str, object]) -> int:
    """Bytes that the model may still read before its answer, after this request."""
    if spec.context_tokens is None:
        return NO_LIMIT
    free = int(spec.context_tokens * (1 - ANSWER_SHARE)) - estimate_prompt_tokens(request)
    return max(free, 0) * BYTES_PER_TOKEN
