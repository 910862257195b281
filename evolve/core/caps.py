"""The caps on a run's total spending, and how much of them is left. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from evolve.core.records import TrialResult, Usage


@dataclass(frozen=True)
class Kept:
    """What rounds leave of each cap, for the trials at the end of a run."""

    usd: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    trials: float = 0.0


@dataclass(frozen=True)
class Caps:
    """Caps on a whole run, over all its processes: US dollars, tokens, seconds of work, trials.

    None means no cap. Proposals, lessons and lost trials count too.
    """

    usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    trials: int | None = None

    def __post_init__(self) -> None:
        caps = [value for field in fields(self) if (value := getattr(self, field.name)) is not None]
        if any(value < 0 for value in caps):
            raise ValueError(f"a cap can't be negative: {self}")

    def reached_cap(self, spent: Usage, seconds: float, trials: int, free: bool = False, kept: Kept = Kept()) -> str:
        """Say which cap is reached; "" if none is.

        Args:
            spent: All that the run has spent.
            seconds: Seconds of work.
            trials: Number of trials.
            free: The models cost nothing, so a cap of $0 does not stop the run.
            kept: How much below each cap it counts as reached.
        """
        name = "the rounds' share of the budget" if kept != Kept() else "the budget"
        if self.usd is not None and spent.cost_usd >= self.usd - kept.usd and not (self.usd == 0 and free):
            return f"{name} of ${self.usd:g} is spent"
        if self.tokens is not None and spent.tokens >= self.tokens - kept.tokens:
            return f"{name} of {self.tokens} tokens is spent"
        if self.seconds is not None and seconds >= self.seconds - kept.seconds:
            return f"{name} of {self.seconds:g} seconds is spent"
        if self.trials is not None and trials >= self.trials - kept.trials:
            return f"{name} of {self.trials} trials is spent"
        return ""

    def kept_for_end(self, trials: Sequence[TrialResult], final: int, jobs: int) -> Kept:
        """Return what rounds should leave for the trials at the end, judged by the mean of the latest trials.

        At least half of each cap is for the rounds: a run with a small cap may end without all of its final trials.

        Args:
            trials: The latest trials.
            final: Number of trials at the end.
            jobs: Number of trials at once: those that are running when the rounds end cost something too.
        """
        if not trials:
            return Kept()
        share, usage = (final + jobs) / len(trials), sum((trial.usage for trial in trials), Usage())
        mean_seconds = sum(trial.seconds for trial in trials) / len(trials)
        return Kept(
            usd=min(usage.cost_usd * share, (self.usd or 0) / 2),
            tokens=min(usage.tokens * share, (self.tokens or 0) / 2),
            seconds=min(mean_seconds * (final / jobs + 1), (self.seconds or 0) / 2),
            trials=min(final, (self.trials or 0) / 2),
        )

    def describe_left(self, spent: Usage, seconds: float, trials: int) -> str:
        """Say how much of each cap is left; "" if there are no caps."""
        amounts = []
        if self.usd is not None:
            amounts.append(f"${max(self.usd - spent.cost_usd, 0.0):.2f}")
        if self.tokens is not None:
            amounts.append(f"{max(self.tokens - spent.tokens, 0) / 1000:.0f}k tokens")
        if self.seconds is not None:
            amounts.append(f"{max(self.seconds - seconds, 0.0) / 60:.0f} min")
        if self.trials is not None:
            amounts.append(f"{max(self.trials - trials, 0)} trials")
        return ", ".join(amounts)


@dataclass(frozen=True)
class Spending:
    """All that a run has spent so far, and its caps. `seconds`: of work."""

    spent: Usage
    seconds: float
    trials: int
    caps: Caps


def has_room(caps: Caps, spent: Usage, held: Usage, wanted: Usage) -> bool | None:
    """Check whether a call may start that costs at most `wanted`, while running calls cost at most `held`.

    A call may start alone while anything is left, so at most one call exceeds a cap. A free call needs no dollars.

    Returns:
        None if the answer depends on what the running calls cost: ask again when they have ended.
    """
    answers = [
        _room(caps.tokens, spent.tokens, held.tokens, wanted.tokens),
        _room(caps.usd, spent.cost_usd, held.cost_usd, wanted.cost_usd) if wanted.cost_usd else True,
    ]
    return False if False in answers else None if None in answers else True


def _room(cap: float | None, spent: float, held: float, wanted: float) -> bool | None:
    if cap is None or spent + held + wanted <= cap:
        return True
    if spent >= cap:
        return False
    return True if held == 0 else None


def work_seconds(starts: Sequence[str], moments: Iterable[tuple[str, float]]) -> float:
    """Return the seconds of work in all sessions: each lasts from its start to the last moment before the next one.

    A clock that was set back makes a session shorter, never negative.

    Args:
        starts: Start of each session (ISO-8601), in order.
        moments: Times (ISO-8601) at which something was stored, each with the seconds of work that began then.
    """
    began = [datetime.fromisoformat(start).timestamp() for start in starts]
    ended = list(began)
    for at, seconds in moments:
        moment = datetime.fromisoformat(at).timestamp()
        if (number := bisect.bisect_right(began, moment) - 1) >= 0:
            ended[number] = max(ended[number], moment + seconds)
    latest = [*began[1:], float("inf")][: len(began)]
    return sum(max(min(end, last) - start, 0.0) for start, end, last in zip(began, ended, latest, strict=True))
