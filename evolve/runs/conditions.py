"""The conditions under which a run's trials ran: its epochs, and the changes at which they begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evolve.core.epochs import Change, changes, epochs
from evolve.core.records import TrialResult
from evolve.runs.tally import TrialCounts, tally_of
from evolve.store import ConditionedTrial, Store


@dataclass(frozen=True)
class Conditions:
    """The changes of a run's conditions. `epochs`: that of the last trial of each candidate; not named: the first."""

    changes: list[Change] = field(default_factory=list)
    epochs: Mapping[str, int] = field(default_factory=dict)


def conditions_of(store: Store, run: str, runs: Path) -> Conditions:
    """Read a run's conditions; its trials one by one only if some differ. `runs`: the folder with its files."""
    if is_uniform(tally_of(store, run, runs / run)):
        return Conditions()
    trials = store.conditioned_trials(run)
    return Conditions(changes(trials), last_epochs(trials))


def last_epochs(trials: Sequence[ConditionedTrial | TrialResult]) -> dict[str, int]:
    """The epoch of each candidate's last trial. trials: all of a run, in the order of their rows."""
    return {trial.candidate: epoch for trial, epoch in zip(trials, epochs(trials), strict=True)}


def is_uniform(tally: TrialCounts) -> bool:
    """Whether no condition of these trials has two values."""
    values: dict[str, set[str]] = {}
    for alike in tally.groups:
        conditions = {name: getattr(alike, name) for name in ("endpoint_models", "fingerprints", "base_image")}
        for name, value in {**conditions, f"the image of {alike.task}": alike.task_image}.items():
            if value:
                values.setdefault(name, set()).add(value)
    return all(len(known) == 1 for known in values.values())
