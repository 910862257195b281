"""What the address of a page asks for: filters, order, and which part of a list. Nonsense counts as not given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from evolve.store.paging import Page

ROWS = 50
MOST_NUMBER = 2**53


@dataclass(frozen=True)
class Asked:
    """The query of an address."""

    path: str
    values: Mapping[str, str]

    def text(self, name: str, most: int = 200) -> str:
        return self.values.get(name, "")[:most].strip()

    def choice(self, name: str, allowed: Collection[str]) -> str:
        """The value if it is allowed, else ""."""
        value = self.text(name)
        return value if value in allowed else ""

    def number(self, name: str) -> int | None:
        """A whole number that is not negative; None if it is none."""
        value = self.text(name)
        is_number = value.isascii() and value.isdigit() and len(value) < 17
        return int(value) if is_number and int(value) < MOST_NUMBER else None

    def page(self, orders: Collection[str], most: int = ROWS) -> Page:
        """Which part of a list that can be sorted by these columns."""
        return Page(self.number("from") or 0, most, self.choice("sort", orders), self.text("desc") == "1")

    def with_(self, **changes: object) -> str:
        """The same address with other values; None takes one out."""
        values = {**self.values, **{name: str(value) for name, value in changes.items() if value is not None}}
        kept = {name: value for name, value in values.items() if value != "" and changes.get(name, "") is not None}
        return f"{quote(self.path)}?{urlencode(kept)}" if kept else quote(self.path)

    def sorted_by(self, column: str) -> str:
        """The address of the same list sorted by a column, the other way round if it is sorted by it already."""
        turned = self.text("sort") == column and self.text("desc") != "1"
        return self.with_(sort=column, desc="1" if turned else None, **{"from": None})


def parts(*names: object) -> str:
    """A path of these parts, each of which may hold any character."""
    return "/" + "/".join(quote(str(name), safe="") for name in names)
