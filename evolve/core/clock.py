"""The current time, in the format in which it is stored."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """Return the current time as ISO-8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
