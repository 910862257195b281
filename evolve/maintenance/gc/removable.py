"""What is asked of gc, and what it finds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from evolve.core.errors import BadInput

# What each part's loss means.
PARTS = {
    "branches": "their trials can't be replayed, nor the run gone on with; git frees the room at its next `git gc`",
    "images": "the next run that needs them builds them again",
    "trajectories": "their trials can't be replayed, nor the run gone on with",
    "exports": "nothing: written again when needed",
    "leftovers": "nothing",
}
RUN_PARTS = ("branches", "trajectories", "exports")
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True)
class GcRequest:
    """`before`: files of trials older than that; `named`: runs that count as ended though they have not."""

    before: datetime
    parts: frozenset[str] = frozenset(PARTS)
    named: frozenset[str] = frozenset()
    suite: Path | None = None


@dataclass(frozen=True)
class Removable:
    """Things of one part and one run ('' for none); `bytes` None: can't be told. `names`: what is removed by."""

    part: str
    run: str
    names: tuple[str, ...]
    bytes: int | None


@dataclass(frozen=True)
class RemovalPlan:
    """`spared`: why something was not looked at, a line each."""

    entries: tuple[Removable, ...] = ()
    skipped: tuple[str, ...] = field(default=())

    def __add__(self, other: RemovalPlan) -> RemovalPlan:
        return RemovalPlan(self.entries + other.entries, self.skipped + other.skipped)


def parse_age(text: str) -> timedelta:
    """`30d`, `12h` or `2w`. Raises BadInput for anything else."""
    found = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if found is None:
        raise BadInput(f"--older-than {text}", "is not an age", "write hours, days or weeks, such as 12h, 30d or 2w")
    return int(found[1]) * UNITS[found[2]]


def parse_parts(text: str | None) -> frozenset[str]:
    """The parts named in `a,b`; all of them for None. Raises BadInput for an unknown one."""
    names = frozenset(PARTS) if text is None else frozenset(filter(None, text.split(",")))
    if unknown := sorted(names - set(PARTS)):
        raise BadInput(f"--only {unknown[0]}", "there is no such part", f"use some of {','.join(PARTS)}")
    return names
