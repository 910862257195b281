"""What the store's views say, as tables for people or as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evolve.core.records import TrialResult
from evolve.report.escaping import plain

Row = Mapping[str, Any]
# Columns of sentences, which are broken over lines; names and numbers stay whole.
WORDY = ("hypothesis", "reason", "value", "detail")
NARROW = 110


def show(rows: Sequence[Row], as_json: bool, columns: Sequence[str] | None = None) -> None:
    """Print rows on stdout. `columns`: which ones a table shows; JSON always has all."""
    if as_json:
        print(json.dumps(list(rows), indent=2, default=str))
        return
    console = Console(highlight=False)
    names = _fitting(list(columns or (rows[0].keys() if rows else ())), console.width)
    table = Table(show_edge=False)
    for name in names:
        table.add_column(name, no_wrap=name not in WORDY)
    for row in rows:
        table.add_row(*(Text(plain(_cell(name, row.get(name)))) for name in names))
    console.print(table)


def _fitting(names: list[str], width: int) -> list[str]:
    """Without the last of two columns of sentences, where there is no room for both."""
    wordy = [name for name in names if name in WORDY]
    return [name for name in names if name != wordy[-1]] if len(wordy) > 1 and width < NARROW else names


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.endswith("score") or name == "mean_reward":
        return f"{100 * float(value):.1f} %"
    if isinstance(value, float):
        return f"{value:.2f}"
    text = str(value)
    return text[:12] if name.endswith(("commit", "commit_sha")) else text


def score(trials: Sequence[TrialResult]) -> tuple[float, float] | None:
    """(mean over tasks of the mean reward, half width of its 95 % interval) of trials that count; None without any.

    The interval is 1.96 standard errors over tasks: sd of the tasks' means / sqrt(tasks).
    """
    by_task: dict[str, list[float]] = {}
    for trial in trials:
        if trial.reward is not None:
            by_task.setdefault(trial.task, []).append(trial.reward)
    means = [sum(rewards) / len(rewards) for rewards in by_task.values()]
    if not means:
        return None
    mean = sum(means) / len(means)
    variance = sum((m - mean) ** 2 for m in means) / max(len(means) - 1, 1)
    return mean, 1.96 * math.sqrt(variance / len(means))


def percent(value: tuple[float, float] | None) -> str:
    return "not measured" if value is None else f"{100 * value[0]:.1f} % (± {100 * value[1]:.1f})"
