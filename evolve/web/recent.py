"""Values that take long to make: made in a thread, one of a kind at a time, while pages show what was known before."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")
# A value that took a second of work is made anew at most every so many seconds, however often its rows change.
PATIENCE = 10.0
# So many seconds a page waits for a value; without any it says that it is being made.
WAIT = 0.05
MOST = 32
WORKERS = 2


@dataclass(frozen=True)
class Made(Generic[Value]):
    """A value: of which state it is, when it was made, and the seconds of work that took."""

    value: Value
    marker: Hashable
    at: float
    took: float


class Recent(Generic[Value]):
    """The values that were asked for last. finished: how many were made, so that a page can be told.

    wait: seconds that `get` waits for a value; clock: returns seconds; cost: seconds of work of the calling thread.
    """

    def __init__(
        self,
        wait: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        self._wait, self._clock, self._cost = WAIT if wait is None else wait, clock, cost
        self._made: dict[Hashable, Made[Value]] = {}
        self._running: dict[Hashable, Future[Made[Value]]] = {}
        self._later: dict[Hashable, threading.Timer] = {}
        self._turn = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="recent")
        self.finished = 0

    def get(self, key: Hashable, marker: Hashable, make: Callable[[], Value]) -> Value | None:
        """The value of a key: of this state, or an older one; None as long as there is none.

        A newer one is made later where the older one has not been shown long enough. An error of `make` is raised here.

        Args:
            marker: Differs when what the value rests on has changed.
        """
        with self._turn:
            known = self._made.get(key)
            if known is not None and known.marker == marker:
                return known.value
            if known is not None and (rest := known.at + PATIENCE * known.took - self._clock()) > 0:
                self._make_later(key, marker, make, rest)
                return known.value
            future = self._start(key, marker, make)
        try:
            return future.result(self._wait).value
        except NotYet:
            return known.value if known is not None else None

    def close(self) -> None:
        with self._turn:
            for timer in self._later.values():
                timer.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _make_later(self, key: Hashable, marker: Hashable, make: Callable[[], Value], seconds: float) -> None:
        """Make a value when the one that is shown has been shown long enough, also if nobody asks for it then."""
        if key in self._later:
            return

        def start() -> None:
            # The pool takes nothing more once the server ends.
            with self._turn, contextlib.suppress(RuntimeError):
                del self._later[key]
                self._start(key, marker, make)

        self._later[key] = threading.Timer(seconds, start)
        self._later[key].daemon = True
        self._later[key].start()

    def _start(self, key: Hashable, marker: Hashable, make: Callable[[], Value]) -> Future[Made[Value]]:
        if key not in self._running:
            self._running[key] = self._pool.submit(self._make, key, marker, make)
        return self._running[key]

    def _make(self, key: Hashable, marker: Hashable, make: Callable[[], Value]) -> Made[Value]:
        began = self._cost()
        try:
            value = make()
            made = Made(value, marker, self._clock(), self._cost() - began)
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
