"""The current time, in the formats in which it is stored."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


def now() -> str:
    """Return the current time as ISO-8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Timeline:
    """The calendar's time at one moment, from which the monotonic clock goes on: later moments are never earlier."""

    origin: datetime
    monotonic: float

    @classmethod
    def start(cls) -> Timeline:
        return cls(datetime.now(UTC), time.monotonic())

    def at(self, moment: float) -> str:
        """Return a moment of the monotonic clock as ISO-8601 in UTC, to the microsecond: always 32 characters."""
        return (self.origin + timedelta(seconds=moment - self.monotonic)).isoformat(timespec="microseconds")
