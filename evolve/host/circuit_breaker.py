"""When trials may begin while the model's API or the container engine fails: a circuit breaker, as a fold.

No clock in here: `now` is always a moment of the monotonic clock, in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from evolve.core.records import Fault

# What waiting may mend.
BREAKING = (Fault.ENDPOINT, Fault.ENGINE)
MOST_DOUBLINGS = 30


class State(StrEnum):
    """OPEN: nothing begins. HALF_OPEN: one trial at a time, to see whether it goes again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Policy:
    """`in_a_row`: the faults that open it. Pauses double from `first_pause` to `longest_pause`.

    `patience`: how long nothing but faults is borne once it is open. All but the first in seconds.
    """

    in_a_row: int = 3
    first_pause: float = 5.0
    longest_pause: float = 120.0
    patience: float = 3600.0

    def __post_init__(self) -> None:
        if self.in_a_row < 1 or self.first_pause <= 0 or self.longest_pause < self.first_pause or self.patience < 0:
            raise ValueError(f"not a policy: {self}")


@dataclass(frozen=True)
class Breaker:
    """`row`: faults since the last success; `fault`: the latest of them; `opened`: when it opened, if it is open.

    `pauses`: how many there were since then; `until`: when the latest ends.
    """

    policy: Policy = Policy()
    row: int = 0
    fault: Fault = Fault.NONE
    opened: float | None = None
    pauses: int = 0
    until: float = 0.0

    def state(self, now: float) -> State:
        if self.opened is None:
            return State.CLOSED
        return State.OPEN if now < self.until else State.HALF_OPEN

    def may_begin(self, now: float, running: int) -> bool:
        """Whether one more trial may begin beside those that run: while half open, these are the probes."""
        state = self.state(now)
        return state is State.CLOSED or (state is State.HALF_OPEN and running == 0)

    def succeeded(self) -> Breaker:
        """After a trial that came to a result, whenever that was begun."""
        return Breaker(self.policy)

    def failed(self, fault: Fault, now: float) -> Breaker:
        """After a trial that did not. What was begun before it opened does not make the pause longer."""
        if fault not in BREAKING:
            return self
        counted = replace(self, row=self.row + 1, fault=fault)
        state = self.state(now)
        if state is State.OPEN or (state is State.CLOSED and counted.row < self.policy.in_a_row):
            return counted
        return counted._paused(now)

    def tripped(self, fault: Fault, now: float) -> Breaker:
        """Open at once: it is sure that the next trial would fail."""
        return replace(self, row=self.row + 1, fault=fault)._paused(now)

    def given_up(self, now: float) -> bool:
        """Whether there was nothing but faults for as long as is borne. Ask after a fault."""
        return self.opened is not None and now >= self.opened + self.policy.patience

    def _paused(self, now: float) -> Breaker:
        """The last pause ends with the patience, so that the last probe comes then."""
        opened = now if self.opened is None else self.opened
        pause = min(self.policy.first_pause * 2.0 ** min(self.pauses, MOST_DOUBLINGS), self.policy.longest_pause)
        until = min(now + pause, max(opened + self.policy.patience, now))
        return replace(self, opened=opened, pauses=self.pauses + 1, until=until)
