"""Keep keys out of texts: whole, in part, or masked as in `sk-ab***yz`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
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
MASKED = re.compile(rf"({_WORD}?)(?:[*•·]{{2,}}|[xX]{{4,}}|\.{{3}}|…)({_WORD})")
Span = tuple[int, int]


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text with `[key]` in place of every secret, of every longer part of one, and of masked ones."""
    spellings = {spelling for secret in secrets for spelling in _spellings(secret) if len(spelling) >= LEAST_LENGTH}
    spans = sorted(span for spelling in spellings for span in (*_parts(text, spelling), *_masked(text, spelling)))
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


def _spellings(secret: str) -> set[str]:
    """The secret as it stands in a message, a `repr`, a JSON body and an address."""
    bare = secret.strip()
    return {secret, bare, repr(bare)[1:-1], json.dumps(bare)[1:-1], quote(bare, safe="", errors="replace")}


def _parts(text: str, secret: str) -> Iterator[Span]:
    size = min(len(secret), PART)
    parts = {secret[start : start + size] for start in range(len(secret) - size + 1)}
    return ((at, at + size) for at in range(len(text) - size + 1) if text[at : at + size] in parts)


def _masked(text: str, secret: str) -> Iterator[Span]:
    for match in MASKED.finditer(text):
        left, right = match[1], match[2].rstrip(".")
        begins = len(left) >= SHOWN and secret.startswith(left)
        if begins or (len(right) >= SHOWN and secret.endswith(right)):
            yield match.start(), match.end(2) - (len(match[2]) - len(right))


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Join sorted spans that touch."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
