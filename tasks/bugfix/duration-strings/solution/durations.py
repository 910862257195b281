"""Durations like '1h30m': parse to seconds and render from seconds."""

import re

UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))

_PATTERN = re.compile(
    r"(?:(?P<d>\d+)d)?\s*(?:(?P<h>\d+)h)?\s*(?:(?P<m>\d+)m)?\s*(?:(?P<s>\d+)s)?"
)


def parse(text):
    """Return the seconds of a duration string.

    Parts are days, hours, minutes and seconds in this order, each at most
    once, with optional spaces between parts: '1h30m', '2d 4h', '45s'.
    Anything else is a ValueError.
    """
    text = text.strip().lower()
    found = _PATTERN.fullmatch(text)
    if not found or not any(found.groups()):
        raise ValueError(f"not a duration: {text!r}")
    return sum(int(found[unit] or 0) * size for unit, size in UNITS)


def render(seconds):
    """Return the shortest duration string, '0s' for zero."""
    if seconds < 0:
        raise ValueError("negative duration")
    parts = []
    for unit, size in UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
