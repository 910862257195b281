"""Whether a patched scaffold starts at all: one trial of it whose model never answers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from evolve.core.records import Outcome, Split, TrialResult
from evolve.loop.campaign import Campaign
from evolve.trial import trajectory

SECONDS = 120.0
SAID_CHARS = 1_000
SILENT = "it does not start: it ended before it asked the model anything"


def problem(campaign: Campaign, commit: str) -> str | None:
    """Why this scaffold comes to no call of the model, with the end of what it printed; None if it does.

    Raises InfraError where the machine fails, BadInput for a broken scaffold.toml.
    """
    place = campaign.folder / "smoke" / commit[:16]
    try:
        result = _tried(campaign, commit, place)
        return None if _asked(result, place.parent) else _words(result)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _tried(campaign: Campaign, commit: str, place: Path) -> TrialResult:
    """A trial at the first train task, answered from an empty recording."""
    silence = place / "silence.jsonl.gz"
    trajectory.store(silence, place, [])
    slot = min(task.name for task in campaign.suite.split(Split.TRAIN)), 0
    spec = campaign.trial_spec(commit, campaign.source(commit), slot)
    limits = replace(spec.limits, seconds=min(SECONDS, spec.limits.seconds))
    return campaign.evaluator.run_one(replace(spec, limits=limits, folder=place.resolve(), replay_of=silence.resolve()))


def _asked(result: TrialResult, root: Path) -> bool:
    """Whether the scaffold came to a call of the model: the trial's recording tells."""
    if result.recording is None:
        return False
    return any(event["kind"] == "chat" for event in trajectory.load(root / result.recording.path))


def _words(result: TrialResult) -> str:
    said = " ".join(result.detail.split())[-SAID_CHARS:] if result.outcome is Outcome.SCAFFOLD_ERROR else ""
    return f"{SILENT} ({result.outcome}{f': {said}' if said else ''})"
