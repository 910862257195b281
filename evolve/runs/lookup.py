"""From what the user named to a row of the results. Raises BadInput."""

from __future__ import annotations

import itertools
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.host.run_names import NEW
from evolve.runs.places import DATABASE, check_readable
from evolve.runs.stored_config import is_measurement
from evolve.store import RunRow, Store


def open_results(runs: Path) -> Store:
    return Store.open(results_file(runs))


def results_file(runs: Path) -> Path:
    """The database of the results. Raises BadInput where there are none."""
    check_readable(runs)
    database = runs / DATABASE
    if not Store.exists(database):
        raise BadInput(str(database), "there are no results yet", "start a run with `evolve run`, or give --runs")
    return database


def run_row(store: Store, run: str | None) -> RunRow:
    """The named run, or the newest that is no measurement of another one's scaffolds."""
    rows = store.runs()
    if run in (None, NEW):
        found = list(itertools.islice((row for row in rows if not is_measurement(row)), 1))
    else:
        found = [row for row in rows if row.id == run]
    if not found:
        known = ", ".join(row.id for row in rows[:5]) or "none yet"
        raise BadInput(f"run {run or ''}".strip(), "there is no such run", f"use one of: {known}")
    return found[0]
