"""Notice that a database has changed, whichever process wrote it, without reading a row."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

NEVER = -1


class ChangeCounter:
    """Counts the changes of a SQLite file. Used by one thread at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None

    def read(self) -> int:
        """A number that differs after every change by another connection; NEVER while the file can't be read."""
        try:
            if self._connection is None:
                uri = f"{self._file.resolve().as_uri()}?mode=ro"
                self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=1.0)
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            self.close()
            return NEVER

    def close(self) -> None:
        """Close the file; the next reading opens it again."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None
