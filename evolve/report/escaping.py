"""Text that models and sandboxes wrote, made fit for a terminal: nothing in it moves the cursor, hides or turns."""

from __future__ import annotations

import unicodedata

# Controls, invisible and direction-changing characters, half, private and unknown ones, and other ends of lines.
_UNFIT = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
MAX_LINE = 4_000


def plain(text: str, lines: bool = False) -> str:
    """The text with every unfit character written as its escape, `\\x1b` for example.

    lines: keep line ends and tabs, and whatever length it has; else the result is one line of at most MAX_LINE.
    """
    kept = "\n\t" if lines else ""
    shown = text if lines or len(text) <= MAX_LINE else f"{text[:MAX_LINE]} [...]"
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(c if c in kept or unicodedata.category(c) not in _UNFIT else _escaped(c) for c in shown)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
