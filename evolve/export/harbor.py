"""The folders that Harbor's viewer opens: a job for each round, in it a folder for each trial.

Layout and fields were read from Harbor 0.26. No value names a path of this machine, and no file holds the verifier's
output, which may quote hidden tests.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from evolve.core.records import Outcome, TrialResult, VerifierMode
from evolve.export.documents import Document
from evolve.export.redaction import Redactor, json_page
from evolve.export.selection import ExportedTrial, Selection, file_name
from evolve.trial.trajectory import AGENT

JOBS = "jobs"
# How a trial ended, of those that Harbor counts as errors. Their `detail` is none of the verifier's.
EXCEPTIONS = {
    Outcome.SCAFFOLD_ERROR: "ScaffoldError",
    Outcome.TIMEOUT: "TrialTimeout",
    Outcome.BUDGET: "TrialBudgetSpent",
}
MODES = {VerifierMode.ISOLATED: "separate", VerifierMode.LIVE: "shared"}


@dataclass(frozen=True)
class Job:
    """One round as a job of Harbor."""

    selection: Selection
    round: int
    redactor: Redactor

    @property
    def name(self) -> str:
        return f"{file_name(self.selection.row.id)}-round-{self.round:04}"

    def write_trial(self, folder: Path, trial: ExportedTrial, document: Document) -> None:
        """Write a trial's folder into that of the job."""
        place = folder / trial.name
        for part in ("agent", "verifier"):
            (place / part).mkdir(parents=True)
        _write(place / "config.json", self._trial_config(trial))
        _write(place / "result.json", self._trial_result(trial))
        _write(place / "agent" / "trajectory.json", document)
        _write(place / "verifier" / "reward.json", {"reward": trial.result.reward})

    def write(self, folder: Path, trials: Sequence[ExportedTrial]) -> None:
        """Write the job's own files. trials: those whose folders are there."""
        ends = [_times(trial.result) for trial in trials]
        started, finished = min(start for start, _ in ends), max(end for _, end in ends)
        _write(folder / "config.json", self._config(trials))
        facts = {"started_at": started, "updated_at": finished, "finished_at": finished, "n_total_trials": len(trials)}
        _write(folder / "result.json", {"id": _uuid(self.name), **facts, "stats": self._stats(trials)})

    def _config(self, trials: Sequence[ExportedTrial]) -> dict[str, Any]:
        tasks = {trial.result.task: self._task(trial.result) for trial in trials}
        return {
            "job_name": self.name,
            "jobs_dir": JOBS,
            "n_attempts": max(trial.result.attempt for trial in trials) + 1,
            "agents": [self._agent],
            "tasks": list(tasks.values()),
        }

    @property
    def _agent(self) -> dict[str, Any]:
        return {"name": AGENT, "model_name": self._model}

    @property
    def _model(self) -> str:
        return self.redactor.text(self.selection.config.model)

    def _task(self, result: TrialResult) -> dict[str, Any]:
        return {"path": f"{JOBS}/{file_name(result.task)}", "source": self._source(result)}

    def _source(self, result: TrialResult) -> str:
        """The name of the data set: suite and split."""
        return f"{file_name(Path(self.selection.row.suite).name)}-{result.split}"

    def _trial_config(self, trial: ExportedTrial) -> dict[str, Any]:
        names = {"trial_name": trial.name, "trials_dir": f"{JOBS}/{self.name}", "job_id": _uuid(self.name)}
        return {"task": self._task(trial.result), **names, "agent": self._agent}

    def _trial_result(self, trial: ExportedTrial) -> dict[str, Any]:
        result = trial.result
        started, finished = _times(result)
        return {
            "id": _uuid(self.name, trial.name),
            "task_name": result.task,
            "trial_name": trial.name,
            "trial_uri": f"evolve:{self.name}/{trial.name}",
            "task_id": {"path": self._task(result)["path"]},
            "source": self._source(result),
            "task_checksum": trial.digest,
            "config": self._trial_config(trial),
            "agent_info": {"name": AGENT, "version": result.candidate[:12], "model_info": {"name": self._model}},
            "agent_result": self._agent_result(trial),
            "verifier_result": {"rewards": {"reward": result.reward}},
            "verifier_environment_mode": MODES[result.verifier],
            **self._exception(result, finished),
            "started_at": started,
            "finished_at": finished,
        }

    def _agent_result(self, trial: ExportedTrial) -> dict[str, Any]:
        result = trial.result
        facts = {"outcome": result.outcome, "cause": result.cause, "split": result.split, "seed": result.seed}
        return {
            **self._spent([trial]),
            "metadata": {"run": self.selection.row.id, "round": self.round, "commit": result.candidate, **facts},
        }

    def _exception(self, result: TrialResult, at: str) -> dict[str, Any]:
        if result.outcome not in EXCEPTIONS:
            return {}
        exception = {
            "exception_message": self.redactor.text(result.detail),
            "exception_traceback": "",
            "occurred_at": at,
        }
        return {"exception_info": {"exception_type": EXCEPTIONS[result.outcome], **exception}}

    def _spent(self, trials: Iterable[ExportedTrial]) -> dict[str, Any]:
        """Tokens, and dollars if they are known."""
        usages = [trial.result.usage for trial in trials]
        spent: dict[str, Any] = {
            "n_input_tokens": sum(usage.prompt_tokens for usage in usages),
            "n_cache_tokens": sum(usage.cached_tokens for usage in usages),
            "n_output_tokens": sum(usage.completion_tokens for usage in usages),
        }
        known = self.selection.config.scaffold_priced or all(usage.cost_usd for usage in usages)
        return {**spent, "cost_usd": sum(usage.cost_usd for usage in usages)} if known else spent

    def _stats(self, trials: Sequence[ExportedTrial]) -> dict[str, Any]:
        by_source: dict[str, list[ExportedTrial]] = {}
        for trial in trials:
            by_source.setdefault(self._source(trial.result), []).append(trial)
        counts = {"n_completed_trials": len(trials), "n_errored_trials": _error_count(trials)}
        evals = {f"{AGENT}__{self._model}__{source}": _eval(of_source) for source, of_source in by_source.items()}
        return {**counts, "n_running_trials": 0, "n_pending_trials": 0, "evals": evals, **self._spent(trials)}


def _eval(trials: Sequence[ExportedTrial]) -> dict[str, Any]:
    """The statistics of one data set."""
    rewards: dict[str, list[str]] = {}
    exceptions: dict[str, list[str]] = {}
    for trial in trials:
        rewards.setdefault(str(trial.result.reward), []).append(trial.name)
        if kind := EXCEPTIONS.get(trial.result.outcome):
            exceptions.setdefault(kind, []).append(trial.name)
    mean = sum(trial.result.reward or 0.0 for trial in trials) / len(trials)
    counts = {"n_trials": len(trials), "n_errors": _error_count(trials)}
    return {**counts, "metrics": [{"mean": mean}], "reward_stats": {"reward": rewards}, "exception_stats": exceptions}


def _error_count(trials: Iterable[ExportedTrial]) -> int:
    return sum(trial.result.outcome in EXCEPTIONS for trial in trials)


def _times(result: TrialResult) -> tuple[str, str]:
    """When the trial started and ended."""
    started = datetime.fromisoformat(result.started_at)
    return started.isoformat(), (started + timedelta(seconds=result.seconds)).isoformat()


def _uuid(*parts: str) -> str:
    """The same for each export of the same run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(("evolve:", *parts))))


def _write(path: Path, value: Any) -> None:
    path.write_bytes(json_page(value))
