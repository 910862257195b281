"""Format what shows whether a run's promises hold: verdicts on unchanged copies of the tip, and changed conditions."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.epochs import changes
from evolve.core.escaping import plain
from evolve.core.records import TrialResult, Verdict
from evolve.store import RoundRow


def null_copy_lines(rounds: Sequence[RoundRow], risk: float) -> list[str]:
    """One line if the run has judged null copies.

    Args:
        rounds: the run's.
        risk: the probability of harm up to which the gate makes a stack champion.
    """
    verdicts = [row.decision.would_be for row in rounds if row.decision and row.decision.would_be]
    if not verdicts:
        return []
    kept, built = verdicts.count(Verdict.KEEP), verdicts.count(Verdict.STACK)
    stacked = f"; {built} more would have been built upon" if built else ""
    return [f"null copies: {kept} of {len(verdicts)} kept (promised at most {100 * risk:g} %){stacked}"]


def change_lines(trials: Sequence[TrialResult]) -> list[str]:
    """A line for each change of a run's conditions, at which a new epoch begins. trials: all, in the order of rows."""
    return [plain(f"conditions changed after {change.trial} trials: {change.what}") for change in changes(trials)]
