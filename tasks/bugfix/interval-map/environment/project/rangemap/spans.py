"""Half-open spans of integers with a value."""
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Span:
    """The integers from ``start`` up to, not including, ``stop``."""

    start: int
    stop: int
    value: Any

    def __post_init__(self):
        if self.start >= self.stop:
            raise ValueError(f"empty span {self.start}..{self.stop}")

    def overlaps(self, start, stop):
        return self.start < stop and start < self.stop

    def before(self, point):
        """Return the part before ``point``, or None if there is none."""
        if self.start >= point:
            return None
        return Span(self.start, min(self.stop, point), self.value)

    def after(self, point):
        """Return the part from ``point`` on, or None if there is none."""
        if self.stop <= point:
            return None
        return Span(max(self.start, point), self.stop, self.value)
