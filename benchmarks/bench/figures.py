"""Repeated measurements as a median and a spread. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One quantity measured `count` times: its median, smallest and largest value."""

    median: float
    low: float
    high: float
    count: int

    def format(self, digits: int) -> str:
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"


def figure(values: Sequence[float]) -> Figure:
    """Summarise values. Raises ValueError if there are none."""
    if not values:
        raise ValueError("nothing was measured")
    return Figure(statistics.median(values), min(values), max(values), len(values))


def rounded(value: Any, digits: int = 4) -> Any:
    """Round figures, and the mappings that contain them, for JSON."""
    if isinstance(value, Figure):
        return rounded(asdict(value), digits)
    if isinstance(value, Mapping):
        return {str(key): rounded(inner, digits) for key, inner in value.items()}
    return round(value, digits) if isinstance(value, float) else value


def ratio(numerator: Figure, denominator: Figure) -> float:
    return numerator.median / denominator.median
