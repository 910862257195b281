"""The two ends of a run: its champion and its tip."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.records import Candidate, StackFate, TrialResult, Verdict
from evolve.store import RoundRow, Store

ACCEPTED = (Verdict.BASELINE, Verdict.KEEP, Verdict.STACK)


def ends_of(rounds: Sequence[RoundRow]) -> tuple[Candidate, Candidate] | None:
    """A run's champion and tip, by its decisions; None before the first one."""
    champion = tip = None
    for row in rounds:
        if row.decision is None:
            continue
        if row.decision.verdict in ACCEPTED:
            tip = row.candidate
        if row.decision.fate is StackFate.GIVEN_UP:
            tip = champion
        if row.decision.crowns:
            champion = tip
    return (champion, tip) if champion and tip else None


def trials_of_ends(store: Store, run: str, rounds: Sequence[RoundRow]) -> list[TrialResult]:
    """The trials of a run's champion and tip; none before the first decision."""
    commits = dict.fromkeys(candidate.commit for candidate in ends_of(rounds) or ())
    return [trial for commit in commits for trial in store.trials(run, commit)]
