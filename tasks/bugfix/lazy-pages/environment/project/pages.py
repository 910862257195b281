"""What a paged service returns."""
from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Page:
    """Some results, and the cursor of the next page (None: no more)."""

    items: tuple
    next_cursor: Optional[Any] = None


class ListService:
    """A service made of given pages; remembers the cursors asked for."""

    def __init__(self, *pages):
        self._pages = [tuple(page) for page in pages]
        self.calls = []

    def fetch(self, cursor):
        """Return the page for ``cursor``, None being the first page."""
        self.calls.append(cursor)
        index = cursor or 0
        following = index + 1 if index + 1 < len(self._pages) else None
        return Page(self._pages[index], following)
