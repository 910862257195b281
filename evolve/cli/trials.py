"""The commands that show trials: one step by step, and how all of them ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from difflib import get_close_matches

from evolve.core.errors import BadInput, InfraError
from evolve.core.escaping import plain
from evolve.core.records import Candidate, TrialResult
from evolve.report.outcomes import outcome_rows
from evolve.report.tables import show
from evolve.report.trial_steps import SHORT, document_lines, trial_lines
from evolve.runs.lookup import open_results, run_row
from evolve.runs.settings import Settings
from evolve.store import Store
from evolve.trial import trajectory

MOST_NAMED = 12


def show_trial(number: int, task: str, attempt: int | None, settings: Settings, as_json: bool, full: bool) -> None:
    """One trial: how it ended and, as long as its trajectory is kept, each of its steps.

    Raises:
        BadInput: There is no such trial, or its trajectory can't be read.
    """
    with open_results(settings.runs) as store:
        run = run_row(store, settings.run).id
        trials = store.trials(run, _candidate(store, run, number).commit)
    trial = _chosen(number, task, attempt, trials)
    document = _document(trial, settings)
    if as_json:
        print(json.dumps({"trial": asdict(trial), "trajectory": document}, indent=2, default=str))
        return
    others = [str(one.attempt) for one in trials if one.task == task and one is not trial]
    lines = trial_lines(trial, number) + ([f"other attempts: {', '.join(others)}"] if others else [])
    lines += document_lines(document, None if full else SHORT) if document else ["its trajectory was not kept"]
    print(plain("\n".join(lines), lines=True))


def show_outcomes(settings: Settings, as_json: bool) -> None:
    """How many trials of each candidate ended in which way."""
    with open_results(settings.runs) as store:
        run = run_row(store, settings.run).id
        rounds = {candidate.commit: candidate.round for candidate in store.candidates(run)}
        rows = outcome_rows(store.trials(run), rounds)
    show(rows, as_json)


def _candidate(store: Store, run: str, number: int) -> Candidate:
    known = {candidate.round: candidate for candidate in store.candidates(run)}
    if number not in known:
        raise BadInput(f"round {number}", f"run {run} has no candidate of it", "see `evolve history`")
    return known[number]


def _chosen(number: int, task: str, attempt: int | None, trials: Sequence[TrialResult]) -> TrialResult:
    """The trial of an attempt; without one, the first that counts. Of an attempt that was tried again, the last."""
    of_task = [trial for trial in trials if trial.task == task]
    if not of_task:
        raise BadInput(f"task {task}", f"round {number} has no trial of it", _tasks_like(task, trials))
    if attempt is None:
        return next((trial for trial in of_task if trial.counts), of_task[0])
    chosen = [trial for trial in of_task if trial.attempt == attempt]
    if not chosen:
        known = ", ".join(sorted({str(trial.attempt) for trial in of_task}, key=int))
        raise BadInput(f"attempt {attempt}", f"round {number} has no such trial of {task}", f"use one of: {known}")
    return chosen[-1]


def _tasks_like(task: str, trials: Sequence[TrialResult]) -> str:
    known = sorted({trial.task for trial in trials})
    chosen = known if len(known) <= MOST_NAMED else get_close_matches(task, known, n=3, cutoff=0.4)
    return f"use one of: {', '.join(chosen)}" if chosen else "see `evolve show`"


def _document(trial: TrialResult, settings: Settings) -> trajectory.Step | None:
    """The trial's trajectory; None if there is none, or it was removed."""
    if trial.trajectory is None or not (path := settings.runs / trial.trajectory.path).exists():
        return None
    try:
        return trajectory.load(path)[0]
    except (InfraError, IndexError) as error:
        raise BadInput(str(path), f"its trajectory is lost: {error}", "restore the file from a backup") from error
