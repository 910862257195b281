"""Format how the conditions of a stored run changed, from no more of its trials than are needed."""

from __future__ import annotations

from pathlib import Path

from evolve.report.promises import format_changes
from evolve.runs.conditions import conditions_of
from evolve.store import Store


def condition_lines(store: Store, run: str, runs: Path) -> list[str]:
    """A line for each change of a run's conditions; see `change_lines`. `runs`: the folder with its files."""
    seeds = [row.candidate.commit for row in store.rounds_between(run, 0, 0) if row.candidate]
    return format_changes(conditions_of(store, run, runs).changes, store.scores(run, seeds))
