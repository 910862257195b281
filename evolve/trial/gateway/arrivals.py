"""Number the recorded requests of a trial as they arrive, and note which of them were in progress at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(eq=False)
class Arrival:
    """One request: its number, from 1, and whether another one was in progress with it at any time.

    `started`: when it arrived, in monotonic time.
    """

    number: int
    overlapped: bool = False
    started: float = field(default_factory=time.monotonic)


class Arrivals:
    """The requests of one trial; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._in_progress: set[Arrival] = set()

    @contextmanager
    def request(self) -> Iterator[Arrival]:
        """Count a request, in progress until the block ends."""
        with self._lock:
            self._count += 1
            arrival = Arrival(self._count, bool(self._in_progress))
            for other in self._in_progress:
                other.overlapped = True
            self._in_progress.add(arrival)
        try:
            yield arrival
        finally:
            with self._lock:
                self._in_progress.discard(arrival)
