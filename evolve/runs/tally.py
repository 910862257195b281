"""How many of a run's trials are alike, kept beside the run, so that a command need not count all of them again.

The counts follow from the rows, which never change: what is kept up to some trial holds if the database still has
the same trial at its end. Otherwise it is dropped, and all are counted.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.core.errors import EvolveError
from evolve.core.records import VerifierMode
from evolve.host import disk
from evolve.store import Store

FILE = "tally.json"
# So many new trials are worth another file.
WORTH_KEEPING = 2_000
# Some endpoints send another fingerprint with every answer: such counts are not worth keeping.
MOST_GROUPS = 5_000


@dataclass(frozen=True)
class Alike:
    """What trials of one group have in common. `counts`: whether they are no infrastructure errors."""

    counts: bool
    recorded: bool
    verifier: VerifierMode
    task: str
    endpoint_models: str | None
    fingerprints: str | None
    base_image: str | None
    task_image: str | None


@dataclass(frozen=True)
class TrialCounts:
    """The trials of a run up to the one with the id `last`, by group. `key`: what no other trial has than that one."""

    last: int
    key: tuple[Any, ...]
    groups: Counter[Alike]

    @property
    def trials(self) -> int:
        """How many there are."""
        return self.groups.total()

    @property
    def counted(self) -> int:
        """How many of them count; the others are infrastructure errors."""
        return sum(count for alike, count in self.groups.items() if alike.counts)


def tally_of(store: Store, run: str, folder: Path) -> TrialCounts:
    """Count a run's trials by what they have in common. `folder`: the run's."""
    kept = _read(folder)
    if kept is None or store.trial_key(kept.last) != kept.key:
        kept = _nothing()
    tally = count_after(store, run, kept)
    if tally.trials - kept.trials >= WORTH_KEEPING and len(tally.groups) <= MOST_GROUPS:
        _write(folder, tally)
    return tally


def count_after(store: Store, run: str, kept: TrialCounts) -> TrialCounts:
    """The tally with the trials after those of an earlier one."""
    last, groups = store.last_trial(run), Counter(kept.groups)
    for row in store.trial_groups(run, kept.last):
        count = row.pop("count")
        groups[Alike(**{**row, "counts": bool(row["counts"]), "recorded": bool(row["recorded"])})] += count
    return TrialCounts(last, store.trial_key(last), groups)


def _nothing() -> TrialCounts:
    return TrialCounts(0, (), Counter())


def _read(folder: Path) -> TrialCounts | None:
    """What is kept; None if there is nothing that can be used."""
    try:
        values = json.loads((folder / FILE).read_bytes())
        groups = Counter({_alike(*alike): int(count) for alike, count in values["groups"]})
        return TrialCounts(int(values["last"]), tuple(values["key"]), groups)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _alike(counts: bool, recorded: bool, verifier: str, *others: Any) -> Alike:
    return Alike(bool(counts), bool(recorded), VerifierMode(verifier), *others)


def _write(folder: Path, tally: TrialCounts) -> None:
    """Keep a tally; a folder that can't be written does without."""
    groups = [[list(vars(alike).values()), count] for alike, count in tally.groups.items()]
    text = json.dumps({"last": tally.last, "key": tally.key, "groups": groups})
    with contextlib.suppress(OSError, EvolveError):
        disk.write_atomically(folder / FILE, text.encode("ascii"))


def problem(store: Store, run: str, folder: Path) -> str:
    """Why what is kept is not what the rows say; "" if it is, or if it is not used."""
    kept = _read(folder)
    if kept is None or store.trial_key(kept.last) != kept.key:
        return ""
    known = count_after(store, run, _nothing()).groups
    after = count_after(store, run, kept).groups
    return "" if known == after else f"{folder / FILE} holds other counts than its rows"
