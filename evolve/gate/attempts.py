"""On which attempts scaffolds meet, so that no luck that chose one is counted for it again."""

from __future__ import annotations

from evolve.core.records import Candidate

ATTEMPTS_PER_REIGN = 4096
FRESH = 2048


def first_attempt(tip: Candidate) -> int:
    """The first attempt of a tip's reign: numbers that it was never measured on before it was taken.

    The score that made it win is biased upwards; it must meet its challengers on fresh trials.
    """
    return tip.round * ATTEMPTS_PER_REIGN


def first_fresh_attempt(champion: Candidate) -> int:
    """From here on nothing is decided: a champion's reported score is that of these attempts.

    The seed scaffold was not chosen, so all of its trials are fresh.
    """
    return first_attempt(champion) + FRESH if champion.round else 0
