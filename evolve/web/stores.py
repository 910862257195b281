"""Open databases for the pages: a few, each used by one request at a time."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator
from pathlib import Path

from evolve.runs.lookup import results_file
from evolve.store import Store

MOST = 4


class Stores:
    """The database of the results, open as often as requests need it at once."""

    def __init__(self, runs: Path, most: int = MOST) -> None:
        self.runs = runs
        self._free: queue.LifoQueue[Store | None] = queue.LifoQueue()
        for _ in range(most):
            self._free.put(None)

    @contextlib.contextmanager
    def open(self) -> Iterator[Store]:
        """Lend a store. Raises BadInput as long as there are no results."""
        database = results_file(self.runs)
        store = self._free.get()
        try:
            store = store or Store.open(database)
            yield store
        finally:
            self._free.put(store)

    def close(self) -> None:
        """Close those that are not in use."""
        with contextlib.suppress(queue.Empty):
            while True:
                if (store := self._free.get_nowait()) is not None:
                    store.close()
