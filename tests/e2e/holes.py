"""The command line with one wall taken down: `python -m tests.e2e.holes HOLE run ...`.

Only what the run's own process does is changed; its workers are as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

from evolve import proposing, recall, trajectory
from evolve.analyse import digest, labels, memory
from evolve.analyse.groups import Read
from evolve.campaign import Campaign
from evolve.cli import main
from evolve.records import TrialResult

Patch = Any


def every_split() -> list[Patch]:
    """The proposer's trajectories are those of all splits."""

    def trajectories(campaign: Campaign, commit: str) -> list[tuple[TrialResult, Mapping[str, object]]]:
        trials = [(trial, trial.trajectory) for trial in campaign.store.trials(campaign.run, commit)]
        return [(trial, trajectory.load(campaign.folder.parent / file.path)[0]) for trial, file in trials if file]

    return [
        mock.patch.object(proposing, "train_trajectories", trajectories),
        mock.patch.object(recall, "train_labels", lambda campaign: labels(t.name for t in campaign.suite.tasks)),
    ]


def verifiers_words() -> list[Patch]:
    """The digest shows the end of the verifier's output."""
    real = digest.excerpt

    def excerpt(one: Read) -> str:
        return f"{one.trial.detail}\n{real(one)}"

    return [mock.patch.object(digest, "excerpt", excerpt)]


def names() -> list[Patch]:
    """Labels are the tasks' names, and lessons are told which tasks there are."""
    real = memory.fact_lines
    known: list[str] = []

    def named(campaign: Campaign) -> dict[str, str]:
        known[:] = [task.name for task in campaign.suite.tasks]
        return {name: name for name in known}

    return [
        mock.patch.object(recall, "train_labels", named),
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
