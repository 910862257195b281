"""Count how trials ended, by candidate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from evolve.core.records import Cause, Outcome, TrialResult
from evolve.report.tables import Row

TOTAL = "all"


def outcome_rows(trials: Iterable[TrialResult], rounds: Mapping[str, int]) -> list[Row]:
    """One row for each candidate with trials, in the order of the rounds, and one for all of them.

    Args:
        rounds: The round of each candidate by its commit.

    Returns:
        Counts by `Outcome` and by `Cause`, if any trial ended so, and the mean seconds.
    """
    by_round: dict[int, list[TrialResult]] = {}
    for trial in trials:
        by_round.setdefault(rounds[trial.candidate], []).append(trial)
    every = [trial for of_round in by_round.values() for trial in of_round]
    kinds = [kind for kind in (*Outcome, Cause.OOM, Cause.PIDS) if any(_is(trial, kind) for trial in every)]
    rows = [_row(number, by_round[number], kinds) for number in sorted(by_round)]
    return [*rows, _row(TOTAL, every, kinds)] if rows else []


def _row(name: int | str, trials: list[TrialResult], kinds: list[Outcome | Cause]) -> Row:
    counts = Counter(kind for trial in trials for kind in kinds if _is(trial, kind))
    seconds = sum(trial.seconds for trial in trials) / len(trials)
    return {"round": name, "trials": len(trials), **{str(kind): counts[kind] for kind in kinds}, "seconds": seconds}


def _is(trial: TrialResult, kind: Outcome | Cause) -> bool:
    return kind in (trial.outcome, trial.cause)
