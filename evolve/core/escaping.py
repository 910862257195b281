"""Escape text from models and sandboxes, so that it cannot move the cursor, hide text or change its direction.

Whatever is shown on a terminal or written for people goes through here; JSON is ASCII anyway.
"""

from __future__ import annotations

import re
import unicodedata

# Control, format, surrogate, private-use and unassigned characters; line and paragraph separators.
_UNSAFE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_MARKUP = re.compile(r"[\\`*\[\]|~#]")
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


def markdown(text: str) -> str:
    """One line of a Markdown page that shows the text as it is: without tags, links, images, code or emphasis."""
    shown = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\g<0>", shown)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
