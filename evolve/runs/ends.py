"""The two ends of a run: its champion and its tip."""

from __future__ import annotations

from collections.abc import Iterable

from evolve.core.ends import Ends
from evolve.core.records import Candidate
from evolve.store import Decided, Store, TrialScore


def ends_of(rounds: Iterable[Decided]) -> tuple[Candidate, Candidate] | None:
    """A run's champion and tip, by its decisions; None before the first one."""
    ends, accepted = Ends(), dict[int, Candidate]()
    for row in rounds:
        if row.decision is None:
            continue
        if row.decision.accepts:
            assert row.candidate is not None
            accepted[row.number] = row.candidate
        ends = ends.after(row.number, row.decision)
    return (accepted[ends.champion], accepted[ends.tip]) if accepted else None


def scores_of_ends(store: Store, run: str, rounds: Iterable[Decided]) -> list[TrialScore]:
    """What the scores of a run's champion and tip are made of; nothing before the first decision."""
    return store.scores(run, dict.fromkeys(candidate.commit for candidate in ends_of(rounds) or ()))
