"""The result of one check, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evolve.core.errors import EvolveError

GOOD, BAD, NOTE, FIXED = "good", "bad", "note", "fixed"
MAX_NAMES = 3


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    state: `good`, `bad` (a run cannot start, or a result is damaged), `note`, or `fixed`; fix: what the user can do.
    """

    check: str
    state: str
    detail: str
    fix: str = ""


def run_check(name: str, check: Callable[[], Finding]) -> Finding:
    """Run a check; one that fails to run is `bad`."""
    try:
        return check()
    except EvolveError as error:
        return Finding(name, BAD, str(error))


def format_names(names: Sequence[str]) -> str:
    """The first few names and the number of the others."""
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def format_size(count: float) -> str:
    """A number of bytes with its unit: `1.5 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
