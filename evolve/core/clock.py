"""The time of day, as it is written down."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """ISO-8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
