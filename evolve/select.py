"""Which candidate the next round starts from. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.records import Candidate, Decision, Verdict

ATTEMPTS_PER_REIGN = 16


def champion(decided: Sequence[tuple[Candidate, Decision]]) -> Candidate:
    """The candidate kept last, or the baseline. `decided`: in the order of the rounds, the baseline first."""
    kept = [candidate for candidate, decision in decided if decision.verdict in (Verdict.KEEP, Verdict.BASELINE)]
    return kept[-1]


def first_attempt(parent: Candidate) -> int:
    """The first attempt of a champion's reign: numbers that it was never measured on before it was kept.

    The score that made it win is biased upwards; it must meet its challengers on fresh trials.
    """
    return parent.round * ATTEMPTS_PER_REIGN
