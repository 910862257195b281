"""Whether a patched scaffold starts at all: one trial of it whose model never answers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from evolve.core.records import Outcome, Split, TrialResult, stable_hash
from evolve.executor.protocol import Executor
from evolve.loop.trial_specs import TrialSpecs
from evolve.trial import trajectory

SECONDS = 120.0
DETAIL_CHARS = 1_000
SILENT = "it does not start: it ended before it asked the model anything"


@dataclass(frozen=True)
class SmokeTest:
    """Start scaffolds at the first train task. `folder`: for the files of such a trial, which are removed."""

    specs: TrialSpecs
    evaluator: Executor
    folder: Path

    def problem(self, commit: str) -> str | None:
        """Why this scaffold does not call the model, with the end of its output; None if it does.

        Raises:
            InfraError: The machine failed.
            BadInput: The scaffold.toml is broken.
        """
        place = self.folder / commit[:16]
        try:
            result = self._run(commit, place)
            return None if _called_the_model(result, place.parent) else _describe(result)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _run(self, commit: str, place: Path) -> TrialResult:
        """Run a trial that is answered from an empty recording."""
        silence = place / "silence.jsonl.gz"
        trajectory.store(silence, place, [])
        task = min(task.name for task in self.specs.suite.split(Split.TRAIN))
        (spec,) = self.specs.trials(commit, [(task, 0)])
        limits = replace(spec.limits, seconds=min(SECONDS, spec.limits.seconds))
        # Its seed gives it an id of its own: the scaffold sees none that a trial which counts has.
        spec = replace(spec, limits=limits, seed=stable_hash("smoke", spec.seed, commit), judges_failures=False)
        one_step = replace(spec.task.format, steps=spec.task.format.steps[:1])
        spec = replace(spec, task=replace(spec.task, format=one_step))
        return self.evaluator.run_one(replace(spec, folder=place.resolve(), replay_of=silence.resolve()))


def _called_the_model(result: TrialResult, root: Path) -> bool:
    """Whether it did, as far as is known: executors other than our own may record nothing."""
    if result.recording is None:
        return result.outcome is not Outcome.SCAFFOLD_ERROR
    return any(event["kind"] == "chat" for event in trajectory.load(root / result.recording.path))


def _describe(result: TrialResult) -> str:
    detail = " ".join(result.detail.split())[-DETAIL_CHARS:] if result.outcome is Outcome.SCAFFOLD_ERROR else ""
    return f"{SILENT} ({result.outcome}{f': {detail}' if detail else ''})"
