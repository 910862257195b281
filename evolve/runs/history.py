"""The rounds of a stored run as `evolve history` shows them. No gate is imported: commands that read start fast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from evolve.core.epochs import epochs
from evolve.core.records import TrialResult
from evolve.core.scores import gap
from evolve.core.voided import voided_share
from evolve.store import RoundRow


def history_rows(
    rows: Sequence[Mapping[str, Any]], trials: Sequence[TrialResult], rounds: Sequence[RoundRow] = ()
) -> list[dict[str, Any]]:
    """Rows of the view `history` with what only the trials show.

    `train_gain`, `validation_gain`: of its candidate over the seed scaffold, in mean reward, from all trials of both;
    None if the candidate did not run on two tasks of each split. `gap_widened`: whether train gained clearly more than
    validation. `voided`: how many of its attempts a fault of the model's API has voided. `null_copy`: of a round that
    judged an unchanged copy of the tip, the verdict that a patch would have got. `epoch`: in which its candidate's last
    trial ran, 0 for the first; None without trials.

    Args:
        rows: That of round 0 comes first.
        trials: Of the candidates in these rows.
        rounds: The run's.
    """
    copies = {row.number: row.decision.would_be for row in rounds if row.decision and row.decision.would_be}
    ran = {trial.candidate: epoch for trial, epoch in zip(trials, epochs(trials), strict=True)}
    by_commit: dict[str, list[TrialResult]] = defaultdict(list)
    for trial in trials:
        by_commit[trial.candidate].append(trial)
    seed = rows[0]["commit_sha"] if rows else None
    return [
        {
            **row,
            **_gains(row, seed, by_commit),
            "voided": voided_share(by_commit.get(row["commit_sha"], ())).voided,
            "null_copy": copies.get(row["round"]),
            "epoch": ran.get(row["commit_sha"]),
        }
        for row in rows
    ]


def _gains(row: Mapping[str, Any], seed: str | None, trials: Mapping[str, Sequence[TrialResult]]) -> dict[str, Any]:
    commit = row["commit_sha"]
    known = seed in trials and commit in trials and row["round"] > 0
    over_seed = gap(trials[str(seed)], trials[commit]) if known else None
    return {
        "train_gain": over_seed and over_seed.train,
        "validation_gain": over_seed and over_seed.validation,
        "gap_widened": over_seed and over_seed.widened,
    }
