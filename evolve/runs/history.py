"""The rounds of a stored run as `evolve history` shows them. No gate is imported: commands that read start fast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evolve.core.records import Scored
from evolve.core.scores import gap
from evolve.core.voided import voided_share
from evolve.runs.conditions import conditions_of
from evolve.runs.stored_config import stored_config
from evolve.store import RoundRow, Store

# So many rounds are read at once.
PART = 500
NOWHERE: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class HistoryPart:
    """Consecutive rounds of a run: `rows` as `evolve history --json` prints them; `trials`: theirs, and more."""

    rows: list[dict[str, Any]]
    rounds: list[RoundRow]
    trials: Sequence[Scored]


def history_parts(store: Store, run: str, runs: Path, first: int, last: int) -> Iterator[HistoryPart]:
    """Read round 0 and the rounds `first` to `last`, in parts, so that no more of a long run is in memory."""
    conditions, row = conditions_of(store, run, runs), store.run(run)
    is_priced = row is None or stored_config(row).priced
    for start in range(first, max(last, first) + 1, PART):
        end = min(start + PART - 1, last)
        trials = store.scores_of_rounds(run, start, end)
        rows, these = store.history(run, start, end), store.rounds_between(run, start, end)
        skipped = 0 if start == first else 1
        made = history_rows(rows, trials, these, conditions.epochs)[skipped:]
        yield HistoryPart(with_known_costs(made, is_priced), these, trials)


def with_known_costs(rows: list[dict[str, Any]], is_priced: bool) -> list[dict[str, Any]]:
    """The rows with costs of None where no price is known: the database's sums are 0 then, which nothing cost."""
    return rows if is_priced else [{**row, "cost_usd": None} for row in rows]


def run_history(store: Store, run: str, runs: Path) -> list[dict[str, Any]]:
    """All rounds as `evolve history --json` prints them."""
    return [row for part in history_parts(store, run, runs, 1, store.newest_round(run)) for row in part.rows]


def history_rows(
    rows: Sequence[Mapping[str, Any]],
    trials: Sequence[Scored],
    rounds: Sequence[RoundRow] = (),
    ran: Mapping[str, int] = NOWHERE,
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
        ran: The epochs of the candidates as of `runs.conditions`.
    """
    copies = {row.number: row.decision.would_be for row in rounds if row.decision and row.decision.would_be}
    by_commit: dict[str, list[Scored]] = defaultdict(list)
    for trial in trials:
        by_commit[trial.candidate].append(trial)
    seed = rows[0]["commit_sha"] if rows else None
    return [
        {
            **row,
            **_gains(row, seed, by_commit),
            "voided": voided_share(by_commit.get(row["commit_sha"], ())).voided,
            "null_copy": copies.get(row["round"]),
            "epoch": ran.get(row["commit_sha"], 0) if row["commit_sha"] in by_commit else None,
        }
        for row in rows
    ]


def _gains(row: Mapping[str, Any], seed: str | None, trials: Mapping[str, Sequence[Scored]]) -> dict[str, Any]:
    commit = row["commit_sha"]
    known = seed in trials and commit in trials and row["round"] > 0
    over_seed = gap(trials[str(seed)], trials[commit]) if known else None
    return {
        "train_gain": over_seed and over_seed.train,
        "validation_gain": over_seed and over_seed.validation,
        "gap_widened": over_seed and over_seed.widened,
    }
