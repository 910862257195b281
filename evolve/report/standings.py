"""Format the scores of a run's champion and tip side by side, and how to take the tip over."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.attempts import unselected_trials
from evolve.core.records import Candidate, Scored, Split
from evolve.core.scores import score
from evolve.report.tables import percent
from evolve.runs.ends import ends_of
from evolve.store import Decided

SPLITS = (Split.TRAIN, Split.VALIDATION)


def standing_lines(run: str, rounds: Sequence[Decided], trials: Sequence[Scored]) -> list[str]:
    """The scores of the champion, and of the tip if it is another; none before the first decision.

    Trials count that did not choose the scaffold; if there are none, it is said that the others did.
    """
    if (ends := ends_of(rounds)) is None:
        return []
    return [f"champion {_format(ends[0], trials)}", *tip_lines(run, rounds, trials)]


def tip_lines(run: str, rounds: Sequence[Decided], trials: Sequence[Scored]) -> list[str]:
    """The tip's scores, and how to take it over; none if it is the champion."""
    ends = ends_of(rounds)
    if ends is None or ends[0].commit == ends[1].commit:
        return []
    return [
        f"tip {_format(ends[1], trials)}, not yet proven better than the champion; take it over all the same: "
        f"evolve adopt {run} --tip"
    ]


def _format(candidate: Candidate, trials: Sequence[Scored]) -> str:
    every = [trial for trial in trials if trial.candidate == candidate.commit]
    own = unselected_trials(candidate, every)
    scores = (f"{split} {percent(score(t for t in own or every if t.split is split))}" for split in SPLITS)
    chosen = " (by the trials for which it was chosen, so probably less)" if every and not own else ""
    return f"(round {candidate.round}): {', '.join(scores)}{chosen}"
