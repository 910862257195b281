"""Small helpers for text."""

from __future__ import annotations

import hashlib
import re

REPLACEMENT = "\ufffd"
# What neither UTF-8 nor every database can hold.
UNSTORABLE = re.compile("[\ud800-\udfff\0]")

# Shorter contents, without white space, are equal by chance.
LEAST_CONTENT = 16


def last_line(text: str, default: str = "") -> str:
    """Return the last line that is not blank, or `default` if there is none."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else default


def storable_text(text: str, most: int | None = None) -> str:
    """Return a text of unknown origin as one that can be stored and sent.

    Lone surrogates and null characters are replaced.

    Args:
        text: The text.
        most: The most characters to keep; None keeps all.
    """
    return UNSTORABLE.sub(REPLACEMENT, text[:most])


def content_digest(content: str | bytes) -> str | None:
    """The sha256 of a content without its white space, in hex; None if it is too short to tell anything."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    kept = b"".join(data.removeprefix(b"\xef\xbb\xbf").split())
    return hashlib.sha256(kept).hexdigest() if len(kept) >= LEAST_CONTENT else None
