"""Format how often the gate would have kept an unchanged copy of the tip, beside what it promises."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.records import Verdict
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
