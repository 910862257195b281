"""Format what shows whether a run's promises hold: verdicts on unchanged copies of the tip, and changed conditions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evolve.core.epochs import Change, changes, differs
from evolve.core.escaping import plain
from evolve.core.records import Scored, Split, TrialResult, Verdict
from evolve.store import Decided


def null_copy_lines(rounds: Iterable[Decided], risk: float) -> list[str]:
    """One line if the run has judged null copies.

    Args:
        rounds: the run's, or its milestones.
        risk: the probability of harm up to which the gate makes a stack champion.
    """
    verdicts = [row.decision.would_be for row in rounds if row.decision and row.decision.would_be]
    if not verdicts:
        return []
    kept, built = verdicts.count(Verdict.KEEP), verdicts.count(Verdict.STACK)
    stacked = f"; {built} more would have been built upon" if built else ""
    return [f"null copies: {kept} of {len(verdicts)} kept (promised at most {100 * risk:g} %){stacked}"]


def change_lines(trials: Sequence[TrialResult]) -> list[str]:
    """A line for each change of a run's conditions, and one if the seed scaffold's own trials show a change (A/A).

    trials: all of the run, in the order of rows; the seed scaffold's come first.
    """
    return format_changes(changes(trials), [trial for trial in trials if trial.candidate == trials[0].candidate])


def format_changes(found: Iterable[Change], seed: Iterable[Scored]) -> list[str]:
    """The same, from the changes and the seed scaffold's trials."""
    lines = [plain(f"conditions changed after {change.trial} trials: {change.what}") for change in found]
    own = [trial for trial in seed if trial.split is not Split.HOLDOUT and trial.counts]
    if differs(own[: len(own) // 2], own[len(own) // 2 :]):
        lines.append(
            "the seed scaffold's later trials differ clearly from its earlier ones: what answers them has changed"
        )
    return lines
