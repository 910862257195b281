"""The numbers of the attempts on which scaffolds are compared: luck that chose a scaffold must not count again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from evolve.core.records import Candidate, Scored, Split

Trial = TypeVar("Trial", bound=Scored)

ATTEMPTS_PER_TIP = 4096
AGAIN = 1024
FRESH = 2048


def first_attempt(tip: Candidate) -> int:
    """The first of the attempts on which a tip meets its challengers; it has no trials on them before it is taken.

    The score that made it win is biased upwards, so it must meet its challengers on fresh trials.
    """
    return tip.round * ATTEMPTS_PER_TIP


def first_attempt_again(candidate: Candidate) -> int:
    """The first of the attempts that one candidate has for itself, to show an implausible gain once more.

    Nobody ran on them before, so nothing of them can have been learned.
    """
    return first_attempt(candidate) + AGAIN


def first_fresh_attempt(champion: Candidate) -> int:
    """The first of the attempts for a champion's reported score; nothing is decided by them.

    The seed scaffold was not chosen, so all of its trials are fresh.
    """
    return first_attempt(champion) + FRESH if champion.round else 0


def unselected_trials(candidate: Candidate, trials: Iterable[Trial]) -> list[Trial]:
    """A candidate's trials on train and validation that did not choose it: the fresh ones, or else those as tip.

    Args:
        trials: All of its own.
    """
    first = first_attempt(candidate) if candidate.round else 0
    own = [t for t in trials if t.split is not Split.HOLDOUT and t.attempt >= first]
    fresh = [t for t in own if t.attempt >= first_fresh_attempt(candidate)]
    return fresh or [t for t in own if t.attempt < first + AGAIN]
