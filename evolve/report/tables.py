"""Print the rows of the store's views as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evolve.core.escaping import plain

Row = Mapping[str, Any]
# Columns of sentences, which wrap; names and numbers do not.
TEXT_COLUMNS = ("hypothesis", "reason", "value", "detail")
NARROW = 110


def show(rows: Sequence[Row], as_json: bool, columns: Sequence[str] | None = None) -> None:
    """Print rows on stdout.

    Args:
        columns: those that a table shows; JSON has all.
    """
    if as_json:
        print(json.dumps(list(rows), indent=2, default=str))
        return
    console = Console(highlight=False)
    names = _fitting_columns(list(columns or (rows[0].keys() if rows else ())), console.width)
    table = Table(show_edge=False)
    for name in names:
        table.add_column(name, no_wrap=name not in TEXT_COLUMNS)
    for row in rows:
        table.add_row(*(Text(plain(_format_cell(name, row.get(name)))) for name in names))
    console.print(table)


def print_lines(console: Console, lines: Sequence[Text]) -> None:
    """Print lines that fit the console; without colours at once, since a long run has thousands."""
    if console.color_system is None:
        print("\n".join(line.plain for line in lines))
        return
    for line in lines:
        console.print(line)


def _fitting_columns(names: list[str], width: int) -> list[str]:
    """Drop the last column of sentences if the terminal is too narrow for two."""
    text_columns = [name for name in names if name in TEXT_COLUMNS]
    return [name for name in names if name != text_columns[-1]] if len(text_columns) > 1 and width < NARROW else names


def _format_cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.endswith("score") or name == "mean_reward":
        return f"{100 * float(value):.1f} %"
    if isinstance(value, float):
        return f"{value:.2f}"
    text = str(value)
    return text[:12] if name.endswith(("commit", "commit_sha")) else text


def percent(value: tuple[float, float] | None) -> str:
    """A share in percent, with the half width of its 95 % interval in points."""
    return "not measured" if value is None else f"{100 * value[0]:.1f} % (± {100 * value[1]:.1f} points)"
