"""What gc is asked for, and what it finds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from evolve.core.errors import BadInput

# What is lost with each part.
PARTS = {
    "branches": "their trials cannot be replayed, nor the run resumed; git frees the space at its next `git gc`",
    "images": "the next run that needs them builds them again",
    "trajectories": "their trials cannot be replayed, nor the run resumed",
    "states": "their trials cannot be graded again",
    "exports": "nothing: written again when needed",
    "leftovers": "nothing",
}
# What a run could no longer do without them.
PREVENTS = {"branches": ("resume", "replay"), "trajectories": ("resume", "replay"), "states": ("regrade",)}
RUN_PARTS = ("branches", "trajectories", "states", "exports")
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True)
class GcRequest:
    """What to remove.

    before: remove only files of trials that started earlier; finished: unfinished runs to treat as finished.
    """

    before: datetime
    parts: frozenset[str] = frozenset(PARTS)
    finished: frozenset[str] = frozenset()
    suite: Path | None = None


@dataclass(frozen=True)
class Removable:
    """The removable names of one part and one run ('' for none); `bytes` is None if the size is unknown."""

    part: str
    run: str
    names: tuple[str, ...]
    bytes: int | None

    @property
    def prevents(self) -> tuple[str, ...]:
        """The commands that need what is removed: `resume` of the run, `replay` and `regrade` of its trials."""
        return PREVENTS.get(self.part, ())


@dataclass(frozen=True)
class RemovalPlan:
    """What can be removed, or was; `skipped`: one line for each thing that was left alone, with the reason."""

    entries: tuple[Removable, ...] = ()
    skipped: tuple[str, ...] = field(default=())

    def __add__(self, other: RemovalPlan) -> RemovalPlan:
        return RemovalPlan(self.entries + other.entries, self.skipped + other.skipped)


def parse_age(text: str) -> timedelta:
    """Parse `30d`, `12h` or `2w`. Raises BadInput for anything else."""
    match = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if match is None:
        raise BadInput(f"--older-than {text}", "is not an age", "write hours, days or weeks, such as 12h, 30d or 2w")
    return int(match[1]) * UNITS[match[2]]


def parse_parts(text: str | None) -> frozenset[str]:
    """Parse `a,b` into parts; None means all. Raises BadInput for an unknown part."""
    names = frozenset(PARTS) if text is None else frozenset(filter(None, text.split(",")))
    if unknown := sorted(names - set(PARTS)):
        raise BadInput(f"--only {unknown[0]}", "there is no such part", f"choose from {','.join(PARTS)}")
    return names
