"""A circuit breaker: when trials may start while the model's API or the container engine fails.

It reads no clock: `now` is always a time of the monotonic clock, in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from evolve.core.records import Fault

# Faults that may go away by themselves.
OUTAGE_FAULTS = (Fault.ENDPOINT, Fault.ENGINE)
MAX_DOUBLINGS = 30


class State(StrEnum):
    """CLOSED: trials start. OPEN: none starts. HALF_OPEN: one trial at a time starts, as a probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Policy:
    """When the breaker opens and for how long; times in seconds.

    Attributes:
        failures_to_open: Faults in a row that open it.
        first_pause: The first pause; each further one is twice as long.
        longest_pause: The limit of that doubling.
        patience: How long it may stay open with nothing but faults.
    """

    failures_to_open: int = 3
    first_pause: float = 5.0
    longest_pause: float = 120.0
    patience: float = 3600.0

    def __post_init__(self) -> None:
        if (
            self.failures_to_open < 1
            or self.first_pause <= 0
            or self.longest_pause < self.first_pause
            or self.patience < 0
        ):
            raise ValueError(f"invalid policy: {self}")


@dataclass(frozen=True)
class Breaker:
    """The breaker's state after the results so far.

    Attributes:
        failures: Faults since the last success.
        fault: The latest of them.
        opened_at: When it opened; None if it is closed.
        pauses: Pauses since then.
        until: When the latest pause ends.
    """

    policy: Policy = Policy()
    failures: int = 0
    fault: Fault = Fault.NONE
    opened_at: float | None = None
    pauses: int = 0
    until: float = 0.0

    def state(self, now: float) -> State:
        if self.opened_at is None:
            return State.CLOSED
        return State.OPEN if now < self.until else State.HALF_OPEN

    def may_start(self, now: float, running: int) -> bool:
        """Whether one more trial may start while `running` others run; half open, only if none does."""
        state = self.state(now)
        return state is State.CLOSED or (state is State.HALF_OPEN and running == 0)

    def record_success(self) -> Breaker:
        """Return the breaker after a trial with a result, whenever that trial started."""
        return Breaker(self.policy)

    def record_failure(self, fault: Fault, now: float) -> Breaker:
        """Return the breaker after a trial that ended in a fault.

        A fault during a pause, of a trial that had started before, does not prolong the pause.
        """
        if fault not in OUTAGE_FAULTS:
            return self
        counted = replace(self, failures=self.failures + 1, fault=fault)
        state = self.state(now)
        if state is State.OPEN or (state is State.CLOSED and counted.failures < self.policy.failures_to_open):
            return counted
        return counted._pause(now)

    def trip(self, fault: Fault, now: float) -> Breaker:
        """Return the breaker opened at once, for a fault that would certainly fail the next trial too."""
        return replace(self, failures=self.failures + 1, fault=fault)._pause(now)

    def is_out_of_patience(self, now: float) -> bool:
        """Whether the faults have lasted for as long as the policy allows. Ask after a fault."""
        return self.opened_at is not None and now >= self.opened_at + self.policy.patience

    def _pause(self, now: float) -> Breaker:
        """Begin a pause. The last one ends when the patience does, so that a last probe runs then."""
        opened_at = now if self.opened_at is None else self.opened_at
        pause = min(self.policy.first_pause * 2.0 ** min(self.pauses, MAX_DOUBLINGS), self.policy.longest_pause)
        until = min(now + pause, max(opened_at + self.policy.patience, now))
        return replace(self, opened_at=opened_at, pauses=self.pauses + 1, until=until)
