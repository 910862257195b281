"""Stored figures of what was spent, whatever wrote them: an impossible one counts as not reported."""

from __future__ import annotations

from typing import Any

# No trial, proposal or run spends more of anything.
MOST_SPENT = 10**12


def plausible(value: Any) -> Any:
    """Return a stored count or amount; 0 if it can't be true."""
    is_true = isinstance(value, int | float) and 0 <= value <= MOST_SPENT
    return value if is_true else 0


class PlausibleSum:
    """SQL's `sum` over values that can be true: SQLite's own fails on an overflow, and then nothing can be read."""

    def __init__(self) -> None:
        self.total: float | None = None

    def step(self, value: Any) -> None:
        if value is not None:
            self.total = (self.total or 0) + plausible(value)

    def finalize(self) -> Any:
        return None if self.total is None else min(self.total, MOST_SPENT)
