"""What a stored run's numbers rest on: validity, verifier modes, and the coverage of its scores."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.core.records import TrialResult, VerifierMode
from evolve.core.validity import (
    TrialSummary,
    Validity,
    evidence_of,
    run_evidence,
    validity,
    weak_modes,
    weak_verifiers,
)
from evolve.runs import gc_record
from evolve.runs.tally import TrialCounts, tally_of
from evolve.store import Store
from evolve.store.convert import split_values


@dataclass(frozen=True)
class Grounds:
    """Whether a run is valid, and in how many tasks its tests ran in a weaker way than isolated."""

    validity: Validity
    weak: Mapping[VerifierMode, int]


def grounds_of(store: Store, run: str, runs: Path) -> Grounds:
    """Judge a stored run. `runs`: the folder with its files. Raises BadInput if the record of `gc` can't be read."""
    tally = tally_of(store, run, runs / run)
    groups = {alike: count for alike, count in tally.groups.items() if alike.counts}
    has_failed = tally.trials > tally.counted
    failed = store.failed_trials(run) if has_failed else []
    answered, placed = Counter[tuple[str, ...]](), Counter[str]()
    for alike, count in groups.items():
        answered[split_values(alike.endpoint_models or "")] += count
        placed[alike.base_image or ""] += count
    summary = TrialSummary(
        failed=failed,
        graded=store.graded_slots(run) if has_failed else frozenset(),
        attempts=tally.counted,
        counted=tally.counted,
        unrecorded=_unrecorded(store, run, runs, tally, any(trial.recording for trial in failed)),
        answered=answered,
        placed=placed,
    )
    weak = weak_modes((alike.verifier, alike.task) for alike in tally.groups)
    return Grounds(validity(evidence_of(summary)), weak)


def judge_trials(trials: Sequence[TrialResult], runs: Path, run: str) -> Grounds:
    """Judge a run by its trials."""
    removed = gc_record.read(runs / run).files
    records = any(trial.recording for trial in trials)

    def has_recording(trial: TrialResult) -> bool:
        """What `gc` removed was there; an executor that never records anything lacks nothing."""
        if trial.recording is None:
            return not records
        return trial.recording.path in removed or (runs / trial.recording.path).is_file()

    return Grounds(validity(run_evidence(trials, has_recording)), weak_verifiers(trials))


def _unrecorded(store: Store, run: str, runs: Path, tally: TrialCounts, others: bool) -> int:
    """How many trials have no recording any more, apart from those that `gc` removed.

    An executor that never records anything lacks nothing. others: whether trials that don't count have recordings.
    """
    never = sum(count for alike, count in tally.groups.items() if alike.counts and not alike.recorded)
    if never == tally.counted:
        return never if others else 0
    removed = gc_record.read(runs / run).files
    paths = [Path(path) for path in store.recordings(run) if path not in removed]
    there = {folder: _names(runs / folder) for folder in {path.parent for path in paths}}
    return never + sum(path.name not in there[path.parent] for path in paths)


def _names(folder: Path) -> frozenset[str]:
    """The names of the files in a folder: one look at it in place of one at each file."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except OSError:
        return frozenset()
