"""Escape text from models and sandboxes, so that it cannot move the cursor, hide text or change its direction."""

from __future__ import annotations

import unicodedata

# Control, format, surrogate, private-use and unassigned characters; line and paragraph separators.
_UNSAFE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
MAX_LINE = 4_000


def plain(text: str, lines: bool = False) -> str:
    """Replace every unsafe character by its escape, such as `\\x1b`.

    Args:
        lines: keep line ends, tabs and the full length; otherwise the result is one line of about MAX_LINE characters.
    """
    kept = "\n\t" if lines else ""
    shown = text if lines or len(text) <= MAX_LINE else f"{text[:MAX_LINE]} [...]"
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(c if c in kept or unicodedata.category(c) not in _UNSAFE else _escape(c) for c in shown)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
