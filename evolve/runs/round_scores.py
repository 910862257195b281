"""The scores of all candidates of a run, kept beside it, so that a chart of a long run need not read all trials again.

They follow from the rows, which never change: what is kept up to some trial holds if the database still has the same
trial at its end. Only candidates with later trials are scored again.
"""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from evolve.core.errors import EvolveError
from evolve.core.records import Split
from evolve.host import disk
from evolve.store import RoundScore, Store

FILE = "scores.json"
# So many new trials are worth another file.
WORTH_KEEPING = 2_000
Scores = dict[tuple[int, Split], RoundScore]


@dataclass(frozen=True)
class KeptScores:
    """Scores by round and split, of the trials up to the one with the id `last`. `key`: as in `TrialCounts`."""

    last: int
    key: tuple[Any, ...]
    scores: Scores


def round_scores(store: Store, run: str, folder: Path) -> list[RoundScore]:
    """How the candidate of each round did on each split, by round and split. `folder`: the run's."""
    kept = _read(folder)
    if kept is None or store.trial_key(kept.last) != kept.key:
        kept = KeptScores(0, (), {})
    last = store.last_trial(run)
    scores = kept.scores | {(score.round, score.split): score for score in store.round_scores_after(run, kept.last)}
    if last - kept.last >= WORTH_KEEPING:
        _write(folder, KeptScores(last, store.trial_key(last), scores))
    return [scores[key] for key in sorted(scores)]


def _read(folder: Path) -> KeptScores | None:
    """What is kept; None if there is nothing that can be used."""
    try:
        values = json.loads((folder / FILE).read_bytes())
        rows = [
            RoundScore(int(number), Split(split), int(trials), float(mean))
            for number, split, trials, mean in values["scores"]
        ]
        return KeptScores(int(values["last"]), tuple(values["key"]), {(row.round, row.split): row for row in rows})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _write(folder: Path, kept: KeptScores) -> None:
    """Keep scores; a folder that can't be written does without."""
    rows = [astuple(score) for score in kept.scores.values()]
    text = json.dumps({"last": kept.last, "key": kept.key, "scores": rows})
    with contextlib.suppress(OSError, EvolveError):
        disk.write_atomically(folder / FILE, text.encode("ascii"))


def problem(store: Store, run: str, folder: Path) -> str:
    """Why what is kept is not what the rows say; "" if it is, or if it is not used."""
    kept = _read(folder)
    if kept is None or store.trial_key(kept.last) != kept.key:
        return ""
    rows = {(score.round, score.split): score for score in store.round_scores_after(run, 0)}
    later = {(score.round, score.split) for score in store.round_scores_after(run, kept.last)}
    compared = rows.keys() - later
    same = compared == kept.scores.keys() - later and all(_is_same(rows[key], kept.scores[key]) for key in compared)
    return "" if same else f"{folder / FILE} holds other scores than its rows"


def _is_same(one: RoundScore, other: RoundScore) -> bool:
    """Whether two scores are the same, in whatever order the database added up the rewards."""
    return one.trials == other.trials and math.isclose(one.mean_reward, other.mean_reward)
