"""Count how often proposals predicted the effects of their patches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from evolve.analysis import task_changes
from evolve.core.records import Scored, Split
from evolve.report.tables import Row
from evolve.store import RoundRow

Rates = tuple[int, int, int]


def prediction_lines(history: Sequence[Row], rounds: Sequence[RoundRow], trials: Sequence[Scored]) -> list[str]:
    """Compare predictions with effects, from the view `history` and the run's rounds and trials; empty without any."""
    return format_predictions(history, base_rates(rounds, trials))


def format_predictions(history: Sequence[Row], rates: Rates) -> list[str]:
    """Compare predictions with effects. `rates`: as of `base_rates`, over the same rounds."""
    predicted, fixed, feared, broken = (
        sum(row[name] or 0 for row in history if row["commit_sha"])
        for name in ("predicted", "fixed", "feared", "broken")
    )
    better, worse, compared = rates
    lines = []
    if predicted:
        lines.append(
            f"predicted to be fixed: {fixed} of {predicted} tasks improved{_format_base_rate(better, compared)}"
        )
    if feared:
        lines.append(f"feared to break: {broken} of {feared} tasks got worse{_format_base_rate(worse, compared)}")
    return lines


def _format_base_rate(count: int, compared: int) -> str:
    return f" ({100 * count / compared:.0f} % of all train tasks did in these rounds)" if compared else ""


def base_rates(rounds: Sequence[RoundRow], trials: Sequence[Scored]) -> Rates:
    """Over the rounds with predictions: train tasks that improved, that got worse, and all that were compared."""
    by_commit: dict[str, list[Scored]] = defaultdict(list)
    for trial in trials:
        if trial.split is Split.TRAIN:
            by_commit[trial.candidate].append(trial)
    better = worse = compared = 0
    for row in rounds:
        if row.candidate and row.parent and row.proposal and (row.proposal.fixes or row.proposal.breaks):
            old, new = by_commit[row.parent.commit], by_commit[row.candidate.commit]
            changes = task_changes(old, new)
            better, worse = better + len(changes.fixed), worse + len(changes.broken)
            compared += len({trial.task for trial in old} & {trial.task for trial in new})
    return better, worse, compared
