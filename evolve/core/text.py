"""Small helpers for messages."""

from __future__ import annotations


def last_line(text: str, default: str = "") -> str:
    """Return the last line that is not blank, or `default` if there is none."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else default
