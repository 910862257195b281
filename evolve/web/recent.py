"""Values that take long to make: made in a thread, one of a kind at a time, while pages show what was known before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")
# A value that took a second is made anew at most every so many seconds, however often what it rests on changes.
PATIENCE = 10.0
# So many seconds a page waits for a value; without any it says that it is being made.
WAIT = 0.05
MOST = 32
WORKERS = 2


@dataclass(frozen=True)
class Made(Generic[Value]):
    """A value: of which state it is, when it was made, and the seconds that took."""

    value: Value
    marker: Hashable
    at: float
    took: float


class Recent(Generic[Value]):
    """The values that were asked for last. finished: how many were made, so that a page can be told."""

    def __init__(self, wait: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._wait, self._clock = WAIT if wait is None else wait, clock
        self._made: dict[Hashable, Made[Value]] = {}
        self._running: dict[Hashable, Future[Made[Value]]] = {}
        self._turn = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="recent")
        self.finished = 0

    def get(self, key: Hashable, marker: Hashable, make: Callable[[], Value]) -> Value | None:
        """The value of a key: of this state, or an older one; None as long as there is none.

        An error of `make` is raised here.

        Args:
            marker: Differs when what the value rests on has changed.
        """
        with self._turn:
            known = self._made.get(key)
            if known is not None and self._is_good(known, marker):
                return known.value
            future = self._running.get(key)
            if future is None:
                future = self._pool.submit(self._make, key, marker, make)
                self._running[key] = future
        try:
            return future.result(self._wait).value
        except NotYet:
            return known.value if known is not None else None

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _is_good(self, known: Made[Value], marker: Hashable) -> bool:
        return known.marker == marker or self._clock() - known.at < PATIENCE * known.took

    def _make(self, key: Hashable, marker: Hashable, make: Callable[[], Value]) -> Made[Value]:
        began = self._clock()
        try:
            value = make()
            made = Made(value, marker, self._clock(), self._clock() - began)
            with self._turn:
                self._made.pop(key, None)
                self._made[key] = made
                while len(self._made) > MOST:
                    del self._made[next(iter(self._made))]
                self.finished += 1
            return made
        finally:
            with self._turn:
                self._running.pop(key, None)
