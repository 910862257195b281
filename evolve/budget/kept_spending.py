"""What the trials of a run took, kept beside it, so that the start of a long run need not add up all of them again.

It follows from the rows, which never change: what is kept up to some trial holds if the database still has the same
trial at its end.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path

from evolve.core.errors import EvolveError
from evolve.core.records import Usage
from evolve.host import disk
from evolve.store import Store

FILE = "spent.json"
# So many new trials are worth another file.
WORTH_KEEPING = 2_000
Sum = tuple[int, Usage]
NOTHING: Sum = (0, Usage())


def add_up(store: Store, run: str, folder: Path) -> None:
    """Have the store add up what the run's trials took, from what is kept on. `folder`: the run's."""
    kept = _read(store, folder)
    last, usage = store.spent_on_trials(run, kept)
    if last - kept[0] >= WORTH_KEEPING:
        values = {"last": last, "key": store.trial_key(last), "usage": asdict(usage)}
        with contextlib.suppress(OSError, EvolveError):
            disk.write_atomically(folder / FILE, json.dumps(values).encode("ascii"))


def problem(store: Store, run: str, folder: Path) -> str:
    """Why what is kept is not what the rows say; "" if it is, or if it is not used."""
    kept = _read(store, folder)
    if kept == NOTHING:
        return ""
    (_, whole), (_, later) = store.spent_after(run, 0), store.spent_after(run, kept[0])
    return "" if _is_same(whole, kept[1] + later) else f"{folder / FILE} holds another sum than its rows"


def _is_same(one: Usage, other: Usage) -> bool:
    """Whether two sums are the same, in whatever order the database added them up."""
    pairs = zip(asdict(one).values(), asdict(other).values(), strict=True)
    return all(abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1) for a, b in pairs)


def _read(store: Store, folder: Path) -> Sum:
    """What is kept; nothing if there is nothing that can be used."""
    try:
        values = json.loads((folder / FILE).read_bytes())
        last, usage = int(values["last"]), Usage(**values["usage"])
        return (last, usage) if store.trial_key(last) == tuple(values["key"]) else NOTHING
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return NOTHING
