"""Tell browsers that something has changed: one look a second for all of them, and none while nobody watches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

EVERY_SECONDS = 1.0
# Proxies and browsers give up a connection on which nothing comes.
KEEP_ALIVE_SECONDS = 15.0
MOST_LISTENERS = 64


class Broadcast:
    """Looks at a marker as long as anybody listens, and sends its number to all when it has changed.

    look: returns a value that differs after a change; it is called in a thread.
    """

    def __init__(self, look: Callable[[], Any], every: float = EVERY_SECONDS) -> None:
        self._look, self._every = look, every
        self._listeners: set[asyncio.Queue[int]] = set()
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        self._seen: Any = None
        self._starting = asyncio.Lock()

    @property
    def is_full(self) -> bool:
        return len(self._listeners) >= MOST_LISTENERS

    async def listen(self) -> AsyncIterator[str]:
        """The events of one browser, in the form of server-sent events.

        The first one says that every change from now on will be told: what the browser read before may be older.
        """
        mine: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
        self._listeners.add(mine)
        try:
            await self._start()
            yield event("hello", self._number)
            while True:
                try:
                    yield event("change", await asyncio.wait_for(mine.get(), KEEP_ALIVE_SECONDS))
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self._listeners.discard(mine)

    async def _start(self) -> None:
        """Take the first look, unless looks are being taken."""
        async with self._starting:
            if self._task is None or self._task.done():
                self._seen = await asyncio.to_thread(self._look)
                self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Look until nobody listens any more."""
        while self._listeners:
            await asyncio.sleep(self._every)
            found = await asyncio.to_thread(self._look)
            if found != self._seen:
                self._seen = found
                self._send()

    def _send(self) -> None:
        self._number += 1
        for listener in self._listeners:
            # One that is behind gets the newest change only.
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(self._number)


def event(name: str, number: int) -> str:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps({'number': number})}\n\n"
