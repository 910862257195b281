"""A cell of the benchmark's table, and the figures of one of its campaigns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """The subject of one row of the result."""

    rule: str
    mix: str
    budget: int
    tasks: int = 40


@dataclass(frozen=True)
class CampaignFigures:
    """The figures of one campaign.

    gain: the champion's true score minus the seed's; final: its true score; reported: the score that the rule reports;
    all in points. promised: the number of harmful keeps that the rule itself expects, None if it says nothing. The
    others are counts.
    """

    gain: float
    final: float
    reported: float
    kept: int
    harmful_kept: int
    null_kept: int
    proposals: int
    trials: int
    promised: float | None = None
