"""What a stored run's numbers rest on: validity, verifier modes, and the coverage of its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.core.records import TrialResult, VerifierMode
from evolve.core.validity import Validity, run_evidence, validity, weak_verifiers
from evolve.runs import gc_record
from evolve.store import Store


@dataclass(frozen=True)
class Grounds:
    """Whether a run is valid, and in how many tasks its tests ran in a weaker way than isolated."""

    validity: Validity
    weak: Mapping[VerifierMode, int]


def grounds_of(store: Store, run: str, runs: Path) -> Grounds:
    """Judge a stored run. `runs`: the folder with its files. Raises BadInput if the record of `gc` can't be read."""
    return judge_trials(store.trials(run), runs, run)


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
