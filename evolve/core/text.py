"""Small helpers for text."""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"
# What neither UTF-8 nor every database can hold.
UNSTORABLE = re.compile("[\ud800-\udfff\0]")


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
