"""The figures of one patch with and without its parent's answers. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from evolve.core.records import TrialResult

Trials = Mapping[tuple[str, int], TrialResult]


@dataclass(frozen=True)
class Pair:
    """Trials of a parent, and of a patch that shares its answers, and of the same patch alone, by slot."""

    parent: Trials
    shared: Trials
    alone: Trials


@dataclass(frozen=True)
class Side:
    """A patch less its parent over the slots of both, in points: mean and standard deviation of one trial's difference.

    `tokens`: that the model was asked for.
    """

    mean: float
    spread: float
    tokens: int


@dataclass(frozen=True)
class Row:
    """`reused`: how many tokens of the sharing trials were taken over; `same`: the share with an equal reward."""

    name: str
    trials: int
    shared: Side
    alone: Side
    reused: int
    same: float

    @property
    def share(self) -> float:
        """Of the tokens that was taken over."""
        return self.reused / max(self.reused + self.shared.tokens, 1)


def row_of(name: str, pair: Pair) -> Row:
    """The figures of one patch. At least two slots must have a trial of each kind."""
    slots = sorted(set(pair.parent) & set(pair.shared) & set(pair.alone))
    taken = [pair.shared[slot].usage for slot in slots]
    return Row(
        name,
        len(slots),
        _side(pair.parent, pair.shared, slots),
        _side(pair.parent, pair.alone, slots),
        sum(usage.reused_tokens for usage in taken),
        sum(pair.shared[slot].reward == pair.parent[slot].reward for slot in slots) / len(slots),
    )


def _side(parent: Trials, patch: Trials, slots: Sequence[tuple[str, int]]) -> Side:
    differences = [100 * ((patch[slot].reward or 0.0) - (parent[slot].reward or 0.0)) for slot in slots]
    tokens = sum(patch[slot].usage.paid.tokens for slot in slots)
    return Side(statistics.mean(differences), statistics.stdev(differences), tokens)


def table(rows: Iterable[Row]) -> Table:
    """A line per patch, and one over all patches but the null one."""
    shown = Table(
        "patch", "trials", "shared: mean, sd", "alone: mean, sd", "tokens shared", "alone", "taken over", "same"
    )
    known = list(rows)
    for row in known:
        shown.add_row(row.name, str(row.trials), *_texts(row))
    if patches := known[1:]:
        total = _over_all(patches)
        shown.add_row("all patches", str(total.trials), *_texts(total))
    return shown


def _over_all(rows: Sequence[Row]) -> Row:
    """Root mean square of the standard deviations; sums of tokens."""

    def joined(sides: Sequence[Side]) -> Side:
        spread = statistics.mean(side.spread**2 for side in sides) ** 0.5
        return Side(statistics.mean(side.mean for side in sides), spread, sum(side.tokens for side in sides))

    shared, alone = joined([row.shared for row in rows]), joined([row.alone for row in rows])
    reused, same = sum(row.reused for row in rows), statistics.mean(row.same for row in rows)
    return Row("", sum(row.trials for row in rows), shared, alone, reused, same)


def _texts(row: Row) -> tuple[str, ...]:
    sides = (f"{side.mean:+.1f}, {side.spread:.1f}" for side in (row.shared, row.alone))
    tokens = (f"{side.tokens:,}" for side in (row.shared, row.alone))
    return (*sides, *tokens, f"{100 * row.share:.0f} %", f"{100 * row.same:.0f} %")
