"""How a run is stopped by its user: asked once it ends what it began, asked twice it drops that."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

ONCE = b"\nstopping when what runs now has ended; interrupt again to drop it (the same command goes on either way)\n"


@dataclass
class Stop:
    """Whether the user has asked for the end."""

    asked: bool = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if the user has asked for the end."""
        if self.asked:
            raise KeyboardInterrupt


@contextlib.contextmanager
def listen_for_signals() -> Iterator[Stop]:
    """Listens to signals until the block ends.

    SIGINT asks; a second one raises KeyboardInterrupt where the program is, as SIGTERM does at once. Only the main
    thread can listen; elsewhere nothing is heard.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        if stop.asked or number == signal.SIGTERM:
            raise KeyboardInterrupt
        stop.asked = True
        # A handler may come in the middle of a print: no buffered stream.
        os.write(2, ONCE)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # A shell that starts a program in the background lets it ignore interrupts: so it shall.
    for number in (number for number, handler in before.items() if handler is not signal.SIG_IGN):
        signal.signal(number, interrupted)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
