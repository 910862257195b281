"""Plays a stored run in the view of a running one: its rounds, trials and decisions in order, in less time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from evolve.core.records import TrialResult
from evolve.loop.watcher import Watcher
from evolve.store import RoundRow, Store

# How long the whole recording takes, unless a speed is given; and the longest pause in it.
SECONDS = 10.0
LONGEST_PAUSE = 0.8


@dataclass(frozen=True)
class Moment:
    """Something that happened `at` so many seconds after the run's start.

    `race`, `rank`: order what happened in the same second.
    """

    at: float
    race: int
    rank: int
    what: RoundRow | TrialResult
    decided: bool = False


class PlayedClock:
    """The seconds of the run that have been played: what the view takes for the time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def moments_of(store: Store, run: str) -> list[Moment]:
    """The starts of rounds, ends of trials and decisions of a run, in order."""
    rows, decided = store.rounds_in_brief(run), store.decision_times(run)
    begun = min((_seconds(row.started_at) for row in rows), default=0.0)
    started = {row.number: _seconds(row.started_at) - begun for row in rows}
    found = [Moment(started[row.number], row.race, 0, row) for row in rows]
    for row in rows:
        if row.number in decided:
            found.append(Moment(_seconds(decided[row.number]) - begun, row.race, 2, row, decided=True))
    of_commit = {row.candidate.commit: row for row in rows if row.candidate}
    for trial in store.trials(run):
        if (of := of_commit.get(trial.candidate)) is not None:
            ended = _seconds(trial.started_at) + trial.seconds - begun
            found.append(Moment(max(ended, started[of.number]), of.race, 1, trial))
    return sorted(found, key=lambda moment: (moment.at, moment.race, moment.rank))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def play(
    moments: Sequence[Moment],
    watcher: Watcher,
    clock: PlayedClock,
    speed: float | None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Tell a watcher what happened, as the run did.

    Args:
        clock: Is set to the time of the run that is played.
        speed: How many times faster than the run was; None: as fast as takes SECONDS for the whole; 0: without pauses.
    """
    last = moments[-1].at if moments else 0.0
    faster = max(last / SECONDS, 1.0) if speed is None else speed
    total = max((one.what.number for one in moments if isinstance(one.what, RoundRow)), default=0)
    for place, moment in enumerate(moments):
        if faster:
            sleep(min(max(moment.at - clock.now, 0.0) / faster, LONGEST_PAUSE))
        clock.now = max(clock.now, moment.at)
        _tell(watcher, moments, place, total)


def _tell(watcher: Watcher, moments: Sequence[Moment], place: int, total: int) -> None:
    moment = moments[place]
    if isinstance(moment.what, TrialResult):
        if place == 0 or not isinstance(moments[place - 1].what, TrialResult):
            watcher.trials_planned(sum(trial.counts for trial in _following(moments, place)))
        watcher.trial_done(moment.what)
    elif moment.decided and moment.what.decision:
        watcher.round_decided(moment.what.number, moment.what.decision)
    elif not moment.decided:
        watcher.round_started(moment.what.number, total)


def _following(moments: Sequence[Moment], place: int) -> Iterator[TrialResult]:
    """The trials from there on, until something else happens."""
    for moment in moments[place:]:
        if not isinstance(moment.what, TrialResult):
            return
        yield moment.what
