"""What a check has found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evolve.core.errors import EvolveError

GOOD, BAD, NOTE, FIXED = "good", "bad", "note", "mended"
NAMED = 3


@dataclass(frozen=True)
class Finding:
    """state: `good`, `bad` (a run can't begin, or a result is damaged), `note`, or `mended`; mend: what to do."""

    check: str
    state: str
    detail: str
    mend: str = ""


def run_check(check: str, look: Callable[[], Finding]) -> Finding:
    """What a check finds; that it could not look is bad too."""
    try:
        return look()
    except EvolveError as error:
        return Finding(check, BAD, str(error))


def format_names(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def format_size(count: float) -> str:
    """Bytes for people: `1.5 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
