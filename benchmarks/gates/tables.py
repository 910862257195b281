"""Format the rows as tables, one per mix, number of tasks and budget, with the rules ordered by gain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.table import Table

from evolve.core.scores import INTERVAL_ERRORS
from gates.campaigns import Row

COLUMNS = ("rule", "gain", "reported", "inflation", "kept", "harmful", "promised", "null", "proposals")


def tables(rows: Sequence[Row]) -> Iterator[Table]:
    for (mix, tasks, budget), group in groupby(rows, key=lambda row: (row.mix, row.tasks, row.budget)):
        ranked = sorted(group, key=lambda row: -row.gain)
        title = f"{mix}, {tasks} tasks, {budget} trials, {ranked[0].seeds} seeds"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for column in COLUMNS:
            table.add_column(column, justify="left" if column == "rule" else "right", no_wrap=True)
        for row in ranked:
            table.add_row(*_cells(row))
        yield table


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.rule,
        f"{row.gain:.1f} ±{INTERVAL_ERRORS * row.gain_se:.1f}",
        f"{row.reported:.1f}",
        f"{row.inflation:.1f} ±{INTERVAL_ERRORS * row.inflation_se:.1f}",
        f"{row.kept:.1f}",
        f"{row.harmful_keep_share:.1%}",
        "" if row.promised_keep_share is None else f"{row.promised_keep_share:.1%}",
        f"{row.null_keep_share:.0%}",
        f"{row.proposals:.0f}",
    )
