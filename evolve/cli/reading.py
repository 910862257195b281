"""Commands that show what there is. They need neither numpy nor a container engine."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from evolve.report.conditions import condition_lines
from evolve.report.history_table import history_text, notes
from evolve.report.predictions import base_rates, format_predictions
from evolve.report.promises import null_copy_lines
from evolve.report.standings import standing_lines
from evolve.report.tables import print_lines, show
from evolve.report.validity import validity_lines
from evolve.runs.ends import scores_of_ends
from evolve.runs.evidence import grounds_of
from evolve.runs.history import history_parts
from evolve.runs.lookup import open_results, run_row
from evolve.runs.settings import Settings
from evolve.runs.stored_config import stored_config

# So many of a long run's rounds are shown, unless more are asked for.
SHOWN = 100


def history(settings: Settings, last: int | None, as_json: bool) -> None:
    """The rounds of a run: scores, decisions, hypotheses.

    last: How many of the newest rounds; 0: all; None: all as JSON, and at most SHOWN in a table.
    """
    rows, rates = list[dict[str, Any]](), (0, 0, 0)
    with open_results(settings.runs) as store:
        name = run_row(store, settings.run).id
        newest, wanted = store.newest_round(name), SHOWN if last is None and not as_json else last
        first = max(newest - wanted + 1, 1) if wanted else 1
        for part in history_parts(store, name, settings.runs, first, newest):
            rows += part.rows
            better, worse, compared = base_rates(part.rounds, part.trials)
            rates = (rates[0] + better, rates[1] + worse, rates[2] + compared)
        grounds, conditions = grounds_of(store, name, settings.runs), condition_lines(store, name, settings.runs)
        rounds, risk = store.milestones(name), stored_config(run_row(store, name)).gate.risk
        standings = standing_lines(name, rounds, scores_of_ends(store, name, rounds))
    if as_json:
        show(rows, True)
        return
    console = Console(highlight=False)
    print_lines(console, history_text(rows, console.width))
    if first > 1:
        print(f"rounds 1 to {first - 1} are not shown: `--last 0` shows all, `--last 500` the newest 500")
    lines = [
        *notes(rows, console.width),
        *standings,
        *null_copy_lines(rounds, risk),
        *conditions,
        *format_predictions(rows, rates),
    ]
    print("\n".join([*lines, *validity_lines(grounds.validity, grounds.weak)]))
