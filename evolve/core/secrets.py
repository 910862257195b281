"""Keep keys out of texts: whole, in part, or masked as in `sk-ab***yz`."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

HIDDEN = "[key]"
# Shorter values protect nothing: "none" or "EMPTY", which local servers are given.
LEAST_LENGTH = 6
# So many characters of a key, one after the other, are hidden wherever they stand.
PART = 8
# Left and right of the mask, so many characters that fit the key tell that the whole is one.
SHOWN = 2
SECRET_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTHORI[SZ]ATION", re.IGNORECASE)
_WORD = r"[^\s\"'`<>(){}\[\],;=:]*"
WORD = re.compile(_WORD)
MASK = re.compile(r"[*•·]{2,}|[xX]{4,}|\.{3}|…")
Span = tuple[int, int]
# Secrets whose spellings and parts are kept in memory.
CACHED = 256


class MaskedWord(NamedTuple):
    """A word with a mask: where it stands, and what stands left and right of the mask."""

    start: int
    end: int
    left: str
    right: str


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text with `[key]` in place of every secret, of every longer part of one, and of masked ones."""
    spellings = {spelling for secret in secrets for spelling in _spellings(secret) if len(spelling) >= LEAST_LENGTH}
    masked = list(_masked_words(text)) if spellings else []
    spans = sorted(span for spelling in spellings for span in (*_parts(text, spelling), *_masked(masked, spelling)))
    kept, at = [], 0
    for start, end in _merged(spans):
        kept += [text[at:start], HIDDEN]
        at = end
    return "".join([*kept, text[at:]])


def environment_secrets(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values that look like secrets: of variables named so, of extra headers, and passwords in addresses."""
    return tuple(secret for name, value in variables.items() for secret in _secrets_of(name, value))


def _secrets_of(name: str, value: str) -> Iterator[str]:
    if name == "OPENAI_CUSTOM_HEADERS":
        yield from (line.partition(":")[2].split()[-1] for line in value.splitlines() if line.partition(":")[2].strip())
    elif "://" in value:
        yield from ([password] if (password := _password(value)) else [])
    # A path is the place of a key, and appears in every traceback.
    elif SECRET_NAMES.search(name) and not value.startswith(("/", "~", ".")):
        yield value


def _password(address: str) -> str | None:
    try:
        return urlsplit(address).password
    except ValueError:
        return None


@functools.lru_cache(CACHED)
def _spellings(secret: str) -> frozenset[str]:
    """The secret as it stands in a message, a `repr`, a JSON body and an address."""
    bare = secret.strip()
    return frozenset({secret, bare, repr(bare)[1:-1], json.dumps(bare)[1:-1], quote(bare, safe="", errors="replace")})


def _parts(text: str, secret: str) -> list[Span]:
    size = min(len(secret), PART)
    parts = _parts_of(secret, size)
    # Most texts hold none, which is known sooner than where.
    if not any(part in text for part in parts):
        return []
    return [(at, at + size) for at in range(len(text) - size + 1) if text[at : at + size] in parts]


@functools.lru_cache(CACHED)
def _parts_of(secret: str, size: int) -> frozenset[str]:
    return frozenset(secret[start : start + size] for start in range(len(secret) - size + 1))


def _masked(words: Iterable[MaskedWord], secret: str) -> Iterator[Span]:
    for word in words:
        right = word.right.rstrip(".")
        begins = len(word.left) >= SHOWN and secret.startswith(word.left)
        if begins or (len(right) >= SHOWN and secret.endswith(right)):
            yield word.start, word.end - (len(word.right) - len(right))


def _masked_words(text: str) -> Iterator[MaskedWord]:
    """The words that hold a mask, each once; in time linear in the text."""
    end = 0
    for mask in MASK.finditer(text):
        if mask.start() < end:
            continue
        start = mask.start()
        while start > end and WORD.fullmatch(text[start - 1]):
            start -= 1
        end = mask.end()
        if match := WORD.match(text, mask.end()):
            end = match.end()
        yield MaskedWord(start, end, text[start : mask.start()], text[mask.end() : end])


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Join sorted spans that touch."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
