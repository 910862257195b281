"""What a run may spend in all, and how far it has come. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from evolve.core.records import Usage


@dataclass(frozen=True)
class Caps:
    """Of a whole run, all that processes have ever done for it: US dollars, tokens, seconds of work, trials.

    None: no cap. Proposals and lessons count; so do trials that were lost.
    """

    usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    trials: int | None = None

    def __post_init__(self) -> None:
        given = [value for field in fields(self) if (value := getattr(self, field.name)) is not None]
        if any(value < 0 for value in given):
            raise ValueError(f"a cap is not negative: {self}")

    def reached(self, spent: Usage, seconds: float, trials: int, free: bool = False) -> str:
        """Which cap is reached, in words; "" if none is. free: nothing costs dollars; a cap of 0 bars nothing."""
        if self.usd is not None and spent.cost_usd >= self.usd and not (self.usd == 0 and free):
            return f"the budget of ${self.usd:g} is spent"
        if self.tokens is not None and spent.tokens >= self.tokens:
            return f"the budget of {self.tokens} tokens is spent"
        if self.seconds is not None and seconds >= self.seconds:
            return f"the budget of {self.seconds:g} seconds is spent"
        if self.trials is not None and trials >= self.trials:
            return f"the budget of {self.trials} trials is spent"
        return ""

    def left(self, spent: Usage, seconds: float, trials: int) -> str:
        """What is left of each cap, in words; "" where there is none."""
        words = []
        if self.usd is not None:
            words.append(f"${max(self.usd - spent.cost_usd, 0.0):.2f}")
        if self.tokens is not None:
            words.append(f"{max(self.tokens - spent.tokens, 0) / 1000:.0f}k tokens")
        if self.seconds is not None:
            words.append(f"{max(self.seconds - seconds, 0.0) / 60:.0f} min")
        if self.trials is not None:
            words.append(f"{max(self.trials - trials, 0)} trials")
        return ", ".join(words)


def has_room(caps: Caps, spent: Usage, held: Usage, wanted: Usage) -> bool | None:
    """Whether a call may begin that costs at most `wanted`, while others run that cost at most `held`.

    None: perhaps, when those others have ended. A call alone may begin while anything is left, so that a cap is passed
    by one call at most. Dollars bar nothing that costs nothing.
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
    """Seconds of work in sessions that began at these times: each lasted until the last moment before the next began.

    starts: in order; moments: a time and the seconds that began then. Times are ISO-8601. A clock that was set back
    makes a session shorter, never negative.
    """
    began = [datetime.fromisoformat(start).timestamp() for start in starts]
    ended = list(began)
    for at, seconds in moments:
        moment = datetime.fromisoformat(at).timestamp()
        if (number := bisect.bisect_right(began, moment) - 1) >= 0:
            ended[number] = max(ended[number], moment + seconds)
    latest = [*began[1:], float("inf")][: len(began)]
    return sum(max(min(end, last) - start, 0.0) for start, end, last in zip(began, ended, latest, strict=True))
