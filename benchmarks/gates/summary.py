"""One line for each cell: how one rule does beside the best of the others."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.figures import rounded
from rich.table import Table

from gates.campaigns import Row
from gates.tables import by_cell, empty_table, with_interval

COLUMNS = ("mix", "tasks", "trials", "seeds", "gain", "best other rule", "lead", "times hgm", "inflation", "harmful")
HUXLEY = "hgm"


@dataclass(frozen=True)
class Summary:
    """A rule's row, that of the best other rule, and that of Huxley-Goedel Machines; None if it is not there."""

    row: Row
    best: Row
    huxley: Row | None

    @property
    def lead(self) -> float:
        """Over the best other rule, in standard errors of the difference; 0 if there are none, as for one campaign."""
        error = math.hypot(self.row.gain_se, self.best.gain_se)
        return (self.row.gain - self.best.gain) / error if error else 0.0

    @property
    def factor(self) -> tuple[float, float] | None:
        """The gain by that of Huxley-Goedel Machines, and its standard error to first order; None if they gain 0."""
        if self.huxley is None or not self.huxley.gain:
            return None
        factor = self.row.gain / self.huxley.gain
        error = math.hypot(self.row.gain_se, factor * self.huxley.gain_se)
        return factor, error / abs(self.huxley.gain)


def summaries(rows: Sequence[Row], rule: str) -> list[Summary]:
    """Of each cell that this rule and another one have played, in the order of the rows."""
    found = []
    for group in by_cell(rows):
        by_rule = {row.rule: row for row in group}
        others = [row for name, row in by_rule.items() if name != rule]
        if rule in by_rule and others:
            best = max(others, key=lambda row: row.gain)
            found.append(Summary(by_rule[rule], best, by_rule.get(HUXLEY)))
    return found


def summary_table(rows: Sequence[Row], rule: str) -> Table:
    table = empty_table(f"{rule} beside the other rules", COLUMNS, left=("mix", "best other rule"))
    for summary in summaries(rows, rule):
        table.add_row(*_cells(summary))
    return table


def _cells(summary: Summary) -> tuple[str, ...]:
    row, best = summary.row, summary.best
    promised = "" if row.promised_keep_share is None else f" ({row.promised_keep_share * row.kept * row.seeds:.1f})"
    return (
        row.mix,
        str(row.tasks),
        str(row.budget),
        str(row.seeds),
        with_interval(row.gain, row.gain_se),
        f"{best.rule} {with_interval(best.gain, best.gain_se)}",
        f"{summary.lead:+.1f} se",
        with_interval(*summary.factor, ".2f") if summary.factor else "",
        with_interval(row.inflation, row.inflation_se, "+.1f"),
        f"{round(row.harmful_kept * row.seeds)}{promised} of {round(row.kept * row.seeds)}",
    )


def write_rows(rows: Sequence[Row], file: Path) -> None:
    """Write all rows as comma-separated values, with a line of names."""
    values = [rounded(asdict(row)) for row in rows]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(values[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(values)
