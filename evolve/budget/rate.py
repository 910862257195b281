"""The requests and tokens that an endpoint takes in a minute: when a call may be sent, as a function of earlier ones.

Pure: `now` and all other times are seconds of the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evolve.core.records import Limits, ModelSpec

# A minute, and a second for calls that reach the endpoint later than they were sent.
WINDOW_SECONDS = 61.0
# Trials that share an endpoint should get a turn this often: more trials at once would only wait for each other.
TURN_SECONDS = 10.0


@dataclass(frozen=True)
class Rates:
    """The most requests and tokens within any `window` of seconds; None: any number."""

    requests: int | None = None
    tokens: int | None = None
    window: float = WINDOW_SECONDS

    @property
    def unlimited(self) -> bool:
        return self.requests is None and self.tokens is None

    @property
    def request_windows(self) -> tuple[tuple[int, float], ...]:
        """Pairs of a number of requests, and the seconds within which no more may be sent.

        The second pair spreads them over the window: otherwise all would be sent at its start, and then none for most
        of a minute. An endpoint may also enforce its limit second by second.
        """
        if self.requests is None:
            return ()
        burst = max(round(self.requests * TURN_SECONDS / 60), 1)
        return (self.requests, self.window), (burst, burst * self.window / self.requests)


@dataclass(frozen=True)
class Sent:
    """A call that was sent, and its tokens: first the most that it may use, later what it used."""

    at: float
    tokens: int


def rates_of(spec: ModelSpec) -> Rates:
    """The limits of a model's endpoint; a model in this process has none."""
    return Rates() if spec.in_process else Rates(spec.requests_per_minute, spec.tokens_per_minute)


def send_times(rates: Rates, sent: Sequence[Sent], waiting: Sequence[int], now: float) -> list[float]:
    """The earliest times at which the waiting calls may be sent, each one after those before it.

    A call that alone exceeds the tokens of a minute is sent when no other call counts any more.

    Args:
        sent: The calls that were sent, in any order.
        waiting: The tokens of each waiting call, in the order in which they came.
    """
    calls, times = sorted(sent, key=lambda call: call.at), list[float]()
    for tokens in waiting:
        at = max(_earliest(rates, calls, tokens, now), times[-1] if times else now)
        times.append(at)
        calls.append(Sent(at, tokens))
    return times


def _earliest(rates: Rates, sent: Sequence[Sent], tokens: int, now: float) -> float:
    """When one call may be sent after `sent`, which is in order of time."""
    at = now
    for most, seconds in rates.request_windows:
        if len(sent) >= most:
            at = max(at, sent[-most].at + seconds)
    if rates.tokens is not None:
        at = max(at, _earliest_by_tokens(rates.tokens, rates.window, sent, tokens, now))
    return at


def _earliest_by_tokens(most: int, window: float, sent: Sequence[Sent], tokens: int, now: float) -> float:
    recent = [call for call in sent if call.at + window > now]
    used, at = sum(call.tokens for call in recent), now
    for call in recent:
        if used + tokens <= most:
            break
        used, at = used - call.tokens, call.at + window
    return at


def most_trials(rates: Rates, max_tokens: int) -> int | None:
    """The number of trials at once to which the limits give a turn every `TURN_SECONDS`; None without limits.

    Args:
        max_tokens: The most tokens of one answer.
    """
    bounds = []
    if rates.requests is not None:
        bounds.append(rates.requests * TURN_SECONDS / 60)
    if rates.tokens is not None:
        bounds.append(rates.tokens * TURN_SECONDS / 60 / max_tokens)
    return max(int(min(bounds)), 1) if bounds else None


def longest_wait(spec: ModelSpec, limits: Limits) -> float:
    """Seconds that one of `most_trials` trials may wait in total for its turns, if it uses up its calls and tokens."""
    rates, seconds = rates_of(spec), 0.0
    if rates.requests is not None:
        seconds += limits.calls * max(60 / rates.requests, TURN_SECONDS)
    if rates.tokens is not None:
        seconds += limits.tokens * max(60 / rates.tokens, TURN_SECONDS / limits.max_tokens)
    return seconds
