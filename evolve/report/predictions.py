"""How often proposals foretold what their patches did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from evolve.analysis import task_changes
from evolve.core.records import Split, TrialResult
from evolve.report.tables import Row
from evolve.store import RoundRow


def prediction_lines(history: Sequence[Row], rounds: Sequence[RoundRow], trials: Sequence[TrialResult]) -> list[str]:
    """From the view `history`, and the run's rounds and trials; nothing where no round has predicted anything."""
    predicted, fixed, feared, broken = (
        sum(row[name] or 0 for row in history if row["commit_sha"])
        for name in ("predicted", "fixed", "feared", "broken")
    )
    better, worse, told = base_rates(rounds, trials)
    lines = []
    if predicted:
        lines.append(f"predicted to be fixed: {fixed} of {predicted} tasks went better{_beside(better, told)}")
    if feared:
        lines.append(f"feared to break: {broken} of {feared} tasks went worse{_beside(worse, told)}")
    return lines


def _beside(count: int, told: int) -> str:
    return f" ({100 * count / told:.0f} % of all train tasks did in these rounds)" if told else ""


def base_rates(rounds: Sequence[RoundRow], trials: Sequence[TrialResult]) -> tuple[int, int, int]:
    """Over the rounds with predictions: train tasks that went better, that went worse, and all that were compared."""
    made: dict[str, list[TrialResult]] = defaultdict(list)
    for trial in trials:
        if trial.split is Split.TRAIN:
            made[trial.candidate].append(trial)
    better = worse = told = 0
    for row in rounds:
        if row.candidate and row.parent and row.proposal and (row.proposal.fixes or row.proposal.breaks):
            old, new = made[row.parent.commit], made[row.candidate.commit]
            moved = task_changes(old, new)
            better, worse = better + len(moved.fixed), worse + len(moved.broken)
            told += len({trial.task for trial in old} & {trial.task for trial in new})
    return better, worse, told
