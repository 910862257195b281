"""The rounds of a stored run as `evolve history` shows them. No gate is imported: commands that read start fast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from evolve.core.records import TrialResult
from evolve.core.scores import gap
from evolve.store import Store


def history_rows(store: Store, run: str) -> list[dict[str, Any]]:
    """The rows of the view `history`, each with the gains of its candidate over the seed scaffold.

    `train_gain`, `validation_gain`: in mean reward, from all trials of both; None if the candidate did not run on two
    tasks of each split. `gap_widened`: whether train gained clearly more than validation.
    """
    trials: dict[str, list[TrialResult]] = defaultdict(list)
    for trial in store.trials(run):
        trials[trial.candidate].append(trial)
    rows = store.view("history", run)
    seed = rows[0]["commit_sha"] if rows else None
    return [{**row, **_gains(row, seed, trials)} for row in rows]


def _gains(row: Mapping[str, Any], seed: str | None, trials: Mapping[str, Sequence[TrialResult]]) -> dict[str, Any]:
    commit = row["commit_sha"]
    known = seed in trials and commit in trials and row["round"] > 0
    found = gap(trials[str(seed)], trials[commit]) if known else None
    return {
        "train_gain": found and found.train,
        "validation_gain": found and found.validation,
        "gap_widened": found and found.widened,
    }
