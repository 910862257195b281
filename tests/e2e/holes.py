"""The command line with one wall taken down: `python -m tests.e2e.holes HOLE run ...`.

Only what the run's own process does is changed; its workers are as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from unittest import mock

from evolve.analysis import memory, task_labels
from evolve.cli import main
from evolve.core.records import TrialResult
from evolve.loop import briefing, history
from evolve.loop.briefing import train_trajectories
from evolve.loop.candidates import Candidates
from evolve.suite.tasks import Suite
from evolve.trial import trajectory

Patch = Any
Shown = tuple[TrialResult, Mapping[str, object]]


def every_split() -> list[Patch]:
    """The proposer's trajectories are those of all splits."""

    def trajectories(trials: Iterable[TrialResult], candidates: Candidates) -> list[Shown]:
        files = [(trial, trial.trajectory) for trial in trials]
        return [(trial, trajectory.load(candidates.folder.parent / file.path)[0]) for trial, file in files if file]

    return [
        mock.patch.object(briefing, "train_trajectories", trajectories),
        mock.patch.object(history, "train_labels", lambda suite: task_labels(t.name for t in suite.tasks)),
    ]


def verifiers_words() -> list[Patch]:
    """Trajectories end with the verifier's output."""
    real = train_trajectories

    def trajectories(trials: Iterable[TrialResult], candidates: Candidates) -> list[Shown]:
        found: list[tuple[TrialResult, Any]] = [*real(trials, candidates)]
        return [(t, {**one, "steps": [*one["steps"], {"source": "user", "message": t.detail}]}) for t, one in found]

    return [mock.patch.object(briefing, "train_trajectories", trajectories)]


def names() -> list[Patch]:
    """Labels are the tasks' names, and lessons are told which tasks there are."""
    real = memory.fact_lines
    known: list[str] = []

    def named(suite: Suite) -> dict[str, str]:
        known[:] = [task.name for task in suite.tasks]
        return {name: name for name in known}

    return [
        mock.patch.object(history, "train_labels", named),
        mock.patch.object(memory, "fact_lines", lambda facts: [*real(facts), *known]),
    ]


HOLES: dict[str, Callable[[], list[Patch]]] = {
    "every split": every_split,
    "the verifier's words": verifiers_words,
    "names": names,
}


def run() -> None:
    for patch in HOLES[sys.argv.pop(1)]():
        patch.start()
    main()


if __name__ == "__main__":
    run()
