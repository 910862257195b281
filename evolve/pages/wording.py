"""Numbers in words, as all pages show them. What is not known is `unknown` or `not measured`, never 0."""

from __future__ import annotations

from evolve.core.records import Evidence
from evolve.core.scores import INTERVAL_ERRORS, Score
from evolve.gate.comparison import Comparison
from evolve.report.gaps import points

UNKNOWN = "unknown"
NOT_MEASURED = "not measured"


def percent(share: float | None) -> str:
    """A share such as `62.5 %`."""
    return NOT_MEASURED if share is None else f"{100 * share:.1f} %"


def with_interval(score: Score | None) -> str:
    """A score such as `62.5 % ± 9.1`: half of its 95 % interval, in percentage points."""
    return NOT_MEASURED if score is None else f"{100 * score.mean:.1f} % ± {100 * score.half_width:.1f}"


def effect(found: Comparison | None) -> str:
    """An effect with its 95 % interval, in points."""
    if found is None:
        return NOT_MEASURED
    return f"{points(found.difference)} ({points(found.low)} to {points(found.high)})"


def estimate(evidence: Evidence | None) -> str:
    """The gate's estimate of an effect with half of its 95 % interval, in points."""
    if evidence is None:
        return NOT_MEASURED
    return f"{points(evidence.effect)} ± {100 * INTERVAL_ERRORS * evidence.error:.1f}"


def dollars(amount: float | None) -> str:
    """An amount such as `$1.20`; small ones with more digits, so that none looks like nothing."""
    if amount is None:
        return UNKNOWN
    if amount == 0:
        return "$0"
    return f"${amount:.2f}" if amount >= 0.01 else f"${amount:.2g}"


def count(number: int | None) -> str:
    """A number with separators of thousands."""
    return UNKNOWN if number is None else f"{number:,}"


def duration(minutes: float | None) -> str:
    """A time in the unit that fits."""
    if minutes is None:
        return UNKNOWN
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def many(number: int, name: str, names: str = "") -> str:
    """`1 patch`, `2 patches`: a number with its noun."""
    return f"{number:,} {name if number == 1 else names or f'{name}s'}"
