"""The two ends of a run: its champion and its tip."""

from __future__ import annotations

from collections.abc import Iterable

from evolve.core.records import Candidate, StackFate, Verdict
from evolve.store import Decided, Store, TrialScore

ACCEPTED = (Verdict.BASELINE, Verdict.KEEP, Verdict.STACK)


def ends_of(rounds: Iterable[Decided]) -> tuple[Candidate, Candidate] | None:
    """A run's champion and tip, by its decisions; None before the first one."""
    champion = tip = None
    taken = dict[int, Candidate]()
    for row in rounds:
        if row.decision is None:
            continue
        if row.decision.verdict in ACCEPTED:
            assert row.candidate is not None
            tip = taken[row.candidate.round] = row.candidate
        if row.decision.fate is StackFate.GIVEN_UP:
            tip = champion
        if row.decision.back_to is not None:
            tip = taken[row.decision.back_to]
        if row.decision.crowns:
            champion = tip
    return (champion, tip) if champion and tip else None


def scores_of_ends(store: Store, run: str, rounds: Iterable[Decided]) -> list[TrialScore]:
    """What the scores of a run's champion and tip are made of; nothing before the first decision."""
    return store.scores(run, dict.fromkeys(candidate.commit for candidate in ends_of(rounds) or ()))
