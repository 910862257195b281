"""Runs in which scaffolds of an earlier run are measured side by side: their request, caps, estimate and trials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evolve.core.caps import Caps, work_seconds
from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import Outcome, Split, TrialResult, Usage, stable_hash
from evolve.gate import Slot
from evolve.gate.arms import ArmFigures, figures
from evolve.host.run_names import NEW
from evolve.loop.side_by_side import Arm, schedule
from evolve.runs.identity import resumed_config
from evolve.runs.regrades import regraded_trials
from evolve.runs.request import RunRequest
from evolve.runs.results import is_over
from evolve.runs.stored_config import MEASUREMENT, is_measurement, stored
from evolve.store import RunRow, Store
from evolve.suite.tasks import Suite
from evolve.trial import trajectory
from evolve.trial.visible import Evidence, visible_evidence


@dataclass(frozen=True)
class SideBySide:
    """Arms on one suite with one model. `purpose`: the command that asks for it; `origin`: the run that they are of.

    `config`: with the suite and the model; the measurement has a seed of its own, so that all of its trials are fresh.
    """

    purpose: str
    origin: RunRow
    config: RunConfig
    suite: Suite
    arms: tuple[Arm, ...]
    splits: tuple[Split, ...]
    attempts: int

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two of them the same; stored with the run."""
        return {
            "purpose": self.purpose,
            "of": self.origin.id,
            "arms": [[arm.name, arm.commit, arm.samples] for arm in self.arms],
            "splits": [str(split) for split in self.splits],
            "attempts": self.attempts,
            "suite": self.suite.digest,
            "model": self.config.model,
            "profile": self.config.facts.profile,
        }

    @property
    def tasks(self) -> list[str]:
        return [task.name for task in self.suite.split(*self.splits)]

    @property
    def trials(self) -> int:
        """How many trials it has."""
        return len(schedule(self.arms, self.tasks, self.attempts))

    def stored_run(self, store: Store) -> RunRow | None:
        """The run that measures the same, if there is one."""
        same = (row for row in store.runs() if is_measurement(row) and stored(row, MEASUREMENT) == self.identity)
        return next(same, None)

    def request(self, store: Store, runs: Path, jobs: int, caps: Caps, checks_models: bool) -> RunRequest:
        """The request for it: a new run, or the one that is to be resumed."""
        row = self.stored_run(store)
        seed = stable_hash("side by side", json.dumps(self.identity, sort_keys=True)) >> 1
        config = self.config.model_copy(update={"seed": seed})
        if row is not None:
            config = resumed_config(row, {}, runs).model_copy(
                update={"suite": self.config.suite, "base_url": self.config.base_url}
            )
        return RunRequest(
            config,
            runs,
            NEW if row is None else row.id,
            jobs,
            caps,
            origin=self.origin,
            checks_models=checks_models,
            measurement=self.identity,
        )


def is_done(store: Store, row: RunRow | None) -> bool:
    """Whether a measurement has ended, with all trials that could be graded."""
    return row is not None and is_over(store, row.id)


def left_of_caps(store: Store, origin: RunRow) -> Caps:
    """What a run and the measurements of its scaffolds have left of its latest caps. Raises BadInput if nothing is."""
    sessions = store.sessions(origin.id)
    caps = Caps(**json.loads(sessions[-1].caps)) if sessions else Caps()
    if caps == Caps():
        return caps
    runs = [origin, *(row for row in store.runs() if is_measurement(row) and _of(row) == origin.id)]
    spent = sum((store.spent(row.id) for row in runs), Usage())
    trials = sum(store.trial_count(row.id) for row in runs)
    seconds = sum(_work_seconds(store, row.id) for row in runs) if caps.seconds is not None else 0.0
    return rest_of(caps, spent, seconds, trials)


def _work_seconds(store: Store, run: str) -> float:
    return work_seconds([session.started_at for session in store.sessions(run)], store.moments(run))


def _of(row: RunRow) -> object:
    return (stored(row, MEASUREMENT) or {}).get("of")


def rest_of(caps: Caps, spent: Usage, seconds: float, trials: int) -> Caps:
    """What is left of caps. Raises BadInput if one of them is used up; a cap of $0 lets free models go on."""
    left = Caps(
        usd=None if caps.usd is None else max(caps.usd - spent.cost_usd, 0.0),
        tokens=None if caps.tokens is None else max(caps.tokens - spent.tokens, 0),
        seconds=None if caps.seconds is None else max(caps.seconds - seconds, 0.0),
        trials=None if caps.trials is None else max(caps.trials - trials, 0),
    )
    for name in ("usd", "tokens", "seconds", "trials"):
        if getattr(left, name) == 0 and getattr(caps, name):
            problem = f"the run has used up its cap of {getattr(caps, name):g} {name}"
            raise BadInput("caps", problem, f"give this command one of its own with --max-{name}")
    return left


@dataclass(frozen=True)
class Estimate:
    """What trials will take, judged by trials of the run. `usd`: None if no price is known."""

    trials: int
    tokens: float
    usd: float | None
    seconds: float


def estimate(trials: int, known: Sequence[TrialResult], jobs: int, priced: bool) -> Estimate:
    """What so many trials will take if they cost what the known ones do; `jobs` at once."""
    counted = [trial for trial in known if trial.counts]
    share = trials / len(counted) if counted else 0.0
    usage = sum((trial.usage for trial in counted), Usage())
    seconds = share * sum(trial.seconds for trial in counted) / max(jobs, 1)
    return Estimate(trials, share * usage.tokens, share * usage.cost_usd if priced else None, seconds)


@dataclass(frozen=True)
class Evidences:
    """How good stored trials look without their verdicts. `runs`: the folder with their recordings."""

    runs: Path
    _known: dict[str, Evidence] = field(default_factory=dict, repr=False, compare=False)

    def of(self, trial: TrialResult) -> Evidence:
        """By its outcome and its recording; a recording that is gone or unreadable shows nothing."""
        if trial.key not in self._known:
            self._known[trial.key] = visible_evidence(trial.outcome, self._events(trial))
        return self._known[trial.key]

    def _events(self, trial: TrialResult) -> Sequence[Mapping[str, Any]]:
        path = trial.recording and self.runs / trial.recording.path
        return trajectory.load(path) if path and path.is_file() else ()


def arm_figures(store: Store, run: str, plan: SideBySide, runs: Path) -> list[ArmFigures]:
    """The figures of each arm, from the stored trials of a measurement."""
    evidences = Evidences(runs)
    by_commit = {commit: _by_slot(regraded_trials(store, run, commit)) for commit in {a.commit for a in plan.arms}}
    return [_figures(arm, by_commit[arm.commit], plan, evidences) for arm in plan.arms]


def _figures(arm: Arm, known: Mapping[Slot, TrialResult], plan: SideBySide, evidences: Evidences) -> ArmFigures:
    groups = {
        (task, attempt): [
            known[task, number] for number in arm.sampled(attempt, plan.attempts) if (task, number) in known
        ]
        for attempt in range(plan.attempts)
        for task in plan.tasks
    }
    return figures(
        arm.name,
        groups,
        arm.samples,
        lambda trial: int(evidences.of(trial)),
        lambda trial: trial.outcome is Outcome.PASSED,
    )


def _by_slot(trials: Sequence[TrialResult]) -> dict[Slot, TrialResult]:
    return {(trial.task, trial.attempt): trial for trial in trials if trial.counts}
