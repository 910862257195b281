"""Spans of time, and the time that a trial is given back for the endpoint's faults.

Not all time in which a call fails is lost. A moment is given back if

1. a call of the trial is stuck then: a try of it fails, or it waits for its next try or is held back by Evolve;
2. no other request of the trial makes progress: no command runs, and no call is on the try that will be answered; and
3. the next thing that happens in the trial is the end of a stuck call. If it is the arrival of another request, the
   scaffold was at work until then.

What a scaffold computes by itself while all its calls are stuck can't be seen, unless it sends a request afterwards.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Sequence

Span = tuple[float, float]


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same time in spans that don't touch, in order; empty spans are left out."""
    result: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def without(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """The time that is in one of the spans and in none of the others."""
    holes, result = merged(others), list[Span]()
    first = 0
    for start, end in merged(spans):
        while first < len(holes) and holes[first][1] <= start:
            first += 1
        for hole_start, hole_end in holes[first:]:
            if hole_start >= end:
                break
            if start < hole_start:
                result.append((start, hole_start))
            start = max(start, hole_end)
        if start < end:
            result.append((start, end))
    return result


def covered_seconds(spans: Sequence[Span]) -> float:
    """Seconds covered by at least one of the spans (start, end): parallel calls lose the same time."""
    return math.fsum(end - start for start, end in merged(spans))


class FailingCalls:
    """The calls of one trial that fail, each from its first failed try until it is given up or fails for good.

    A call that is answered in the end is none of them. From any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: dict[object, Span] = {}

    def fail(self, call: object, since: float, until: float = math.inf) -> None:
        """Note that a call fails, or that it has failed until then."""
        with self._lock:
            self._spans[call] = (since, until)

    def forget(self, call: object) -> None:
        """Note that a call was answered."""
        with self._lock:
            self._spans.pop(call, None)

    def start_of(self, since: float) -> float:
        """When the calls began to fail that failed at the same time as the one that fails since then, or in a row."""
        with self._lock:
            return next((start for start, end in merged(self._spans.values()) if start <= since <= end), since)


class LostTime:
    """The spans of one trial. Not thread-safe: used under the budget's lock."""

    def __init__(self) -> None:
        self._lost: list[Span] = []
        self._busy: list[Span] = []
        self._at_work: dict[object, float] = {}
        self._open = 0
        self._last_event = time.monotonic()

    def given_back(self) -> list[Span]:
        """The time that is given back so far."""
        if not self._lost:
            return []
        now = time.monotonic()
        return without(self._lost, [*self._busy, *((since, now) for since in self._at_work.values())])

    def lose(self, since: float, until: float) -> None:
        """Note that a call was stuck."""
        self._lost = merged([*self._lost, (since, until)])

    def progress(self, spans: Iterable[Span]) -> None:
        """Note that another request made progress."""
        self._busy.extend(spans)

    def arrive(self) -> None:
        """Note a request that begins. While another one is open, the scaffold was at work until then."""
        now = time.monotonic()
        if self._open:
            self._busy.append((self._last_event, now))
        self._open += 1
        self._last_event = now

    def leave(self) -> None:
        """Note a request that ends."""
        self._open -= 1
        self._last_event = time.monotonic()

    def start_work(self, key: object) -> None:
        self._at_work[key] = time.monotonic()

    def end_work(self, key: object) -> None:
        self._busy.append((self._at_work.pop(key), time.monotonic()))
