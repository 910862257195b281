"""Format the rows as tables, one per mix, number of tasks and budget, with the rules ordered by gain."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.table import Table

from evolve.core.scores import INTERVAL_ERRORS
from gates.campaigns import Row

COLUMNS = ("rule", "gain", "reported", "inflation", "kept", "harmful", "promised", "null", "proposals")


def tables(rows: Sequence[Row]) -> Iterator[Table]:
    for group in by_cell(rows):
        ranked = sorted(group, key=lambda row: -row.gain)
        first = ranked[0]
        title = f"{first.mix}, {first.tasks} tasks, {first.budget} trials, {first.seeds} seeds"
        table = empty_table(title, COLUMNS, left=("rule",))
        for row in ranked:
            table.add_row(*_cells(row))
        yield table


def by_cell(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows of all rules by mix, number of tasks and budget, in their order."""
    for _, group in groupby(rows, key=lambda row: (row.mix, row.tasks, row.budget)):
        yield list(group)


def empty_table(title: str, columns: Sequence[str], left: Collection[str]) -> Table:
    """A table without rows. left: The columns of words; figures are aligned to the right."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", no_wrap=True)
    return table


def with_interval(value: float, error: float, form: str = ".1f") -> str:
    """A figure with half of its 95 % interval. error: Its standard error."""
    return f"{value:{form}} ±{INTERVAL_ERRORS * error:{form.lstrip('+')}}"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.rule,
        with_interval(row.gain, row.gain_se),
        f"{row.reported:.1f}",
        with_interval(row.inflation, row.inflation_se),
        f"{row.kept:.1f}",
        f"{row.harmful_keep_share:.1%}",
        "" if row.promised_keep_share is None else f"{row.promised_keep_share:.1%}",
        f"{row.null_keep_share:.0%}",
        f"{row.proposals:.0f}",
    )
