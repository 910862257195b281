"""Format the gains on train and on validation over the seed scaffold, and warn where they differ clearly."""

from __future__ import annotations

from evolve.core.scores import INTERVAL_ERRORS, Gap, Score
from evolve.report.tables import percent


def percent_with_gain(score: Score | None, gain: float | None) -> str:
    """A score with its gain over the seed scaffold in points, such as `98.0 % (± 5.1 points; +72.0 over the seed)`."""
    text = percent(score)
    return text if score is None or gain is None else f"{text[:-1]}; {points(gain)} over the seed)"


def gap_line(gap: Gap) -> str:
    """The gains on both splits, in one line."""
    return f"over the seed scaffold: train {points(gap.train)}, validation {points(gap.validation)} points"


def gap_text(train: float | None, validation: float | None, widened: bool | None) -> str:
    """The gains of a round's candidate, from a row of the history; "" if they are not known."""
    if train is None or validation is None:
        return ""
    line = gap_line(Gap(train, validation, 0.0))
    return f"{line}; clearly more on train" if widened else line


def gap_warning(gap: Gap | None) -> list[str]:
    """One line if train gained clearly more than validation."""
    if gap is None or not gap.widened:
        return []
    difference = f"{100 * (gap.train - gap.validation):.1f} ± {100 * INTERVAL_ERRORS * gap.error:.1f} points"
    return [f"warning: train gained {difference} more than validation; part of the gain on train does not generalise"]


def points(share: float) -> str:
    """A difference of shares in points, with its sign."""
    return f"{100 * share:+.1f}"
