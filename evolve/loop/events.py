"""What a run tells its watcher besides lines of text: values that say where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from evolve.core.caps import Spending
from evolve.core.records import Candidate, Decision, TrialResult


@dataclass(frozen=True)
class RunOpened:
    """A run starts or is resumed. `hypotheses`: of its newest rounds; `decided`: its decisions so far, by round."""

    run: str
    decided: Sequence[tuple[int, Decision]] = ()
    hypotheses: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True)
class StageStarted:
    """What the run does next, in a few words. `rounds`: those that it belongs to; none at the end of a run."""

    name: str
    rounds: tuple[int, ...] = ()


@dataclass(frozen=True)
class PatchEntered:
    """A patch is about to be measured. `hypothesis`: what its proposer expects of it."""

    candidate: Candidate
    parent: Candidate
    hypothesis: str


@dataclass(frozen=True)
class EndsKnown:
    """The run's champion and tip, with all trials of each so far."""

    champion: Candidate
    tip: Candidate
    trials: Sequence[TrialResult] = field(repr=False, default=())


@dataclass(frozen=True)
class WorkExpected:
    """How many trials are expected until the end of the run, `low` to `high`, those of the running round included."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"no range of numbers of trials: {self}")


@dataclass(frozen=True)
class PaceChanged:
    """How many trials may run at once now."""

    jobs: int


@dataclass(frozen=True)
class WaitStarted:
    """Nothing new starts for so many seconds; `cause`: why, in a few words."""

    cause: str
    seconds: float


@dataclass(frozen=True)
class WaitEnded:
    """What the run waited for works again."""


@dataclass(frozen=True)
class RunEnded:
    """No more rounds are played. `reason`: as in the database: done, budget."""

    run: str
    reason: str


Event = (
    RunOpened
    | StageStarted
    | PatchEntered
    | EndsKnown
    | WorkExpected
    | Spending
    | PaceChanged
    | WaitStarted
    | WaitEnded
    | RunEnded
)


@runtime_checkable
class EventWatcher(Protocol):
    """A watcher that wants events too. Its method is called in the run's main thread, apart from those of waits."""

    def hear(self, event: Event) -> None: ...


def hears(watcher: object) -> bool:
    """Whether a watcher wants events: what only they need is not read for others."""
    return isinstance(watcher, EventWatcher)


def tell(watcher: object, event: Event) -> None:
    """Tell a watcher what happened, if it wants to know."""
    if isinstance(watcher, EventWatcher):
        watcher.hear(event)


def tell_wait(watcher: object, cause: str, seconds: float) -> None:
    """Tell a watcher of a pause; `cause` "": that it is over."""
    tell(watcher, WaitStarted(cause, seconds) if cause else WaitEnded())


def tell_pace(watcher: object, jobs: int) -> None:
    """Tell a watcher how many trials may run at once from now on."""
    tell(watcher, PaceChanged(jobs))
