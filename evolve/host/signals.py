"""Signals: the first Ctrl-C lets the running trials finish, the second one drops them."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

STOPPING = b"\nstopping after the running trials; press Ctrl-C again to drop them (the same command resumes the run)\n"


@dataclass
class Stop:
    """Whether the user has requested a stop."""

    requested: bool = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if the user has requested a stop."""
        if self.requested:
            raise KeyboardInterrupt


@contextlib.contextmanager
def listen_for_signals() -> Iterator[Stop]:
    """Handle signals until the block ends.

    SIGINT requests a stop; a second one raises KeyboardInterrupt wherever the program is, and SIGTERM does so at once.
    Python handles signals in the main thread only; in another thread nothing is handled.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        # Threads that wait for an endpoint see the request; the exception reaches this thread only.
        again, stop.requested = stop.requested, True
        if again or number == signal.SIGTERM:
            raise KeyboardInterrupt
        # The handler may interrupt a print, so it must not use a buffered stream.
        os.write(2, STOPPING)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # A shell lets programs in the background ignore interrupts; they keep ignoring them.
    for number in (number for number, handler in before.items() if handler is not signal.SIG_IGN):
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
