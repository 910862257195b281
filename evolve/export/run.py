"""Export a stored run into a new folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.records import Split
from evolve.export.card import Card
from evolve.export.dataset import write_rows
from evolve.export.documents import Document, Documents
from evolve.export.formats import Format
from evolve.export.harbor import Job
from evolve.export.licences import task_licences
from evolve.export.otel import Tracer
from evolve.export.redaction import Redactor, json_line
from evolve.export.selection import ExportedTrial, Selection, select
from evolve.export.writing import check_free, new_folder
from evolve.runs.lookup import open_results, run_row
from evolve.trial.recording import STARTED_AT

CARD = "README.md"
TRACES = "traces.jsonl"
UNTIMED = "its recording has no times, so the trace is the trial's span alone"


@dataclass
class Exported:
    """What was written. `trials`: by split; `left_out`, `partial`: reasons, each with its number of trials."""

    run: str
    trials: Counter[Split] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    partial: Counter[str] = field(default_factory=Counter)


def export_run(
    runs: Path,
    run: str | None,
    form: Format,
    target: Path,
    round_number: int | None = None,
    splits: Sequence[Split] = (),
) -> Exported:
    """Export the trials of a run that count, of one round or of all.

    Args:
        runs: The folder of the results.
        run: The run's id; None: the newest.
        target: The folder to write; it must not exist, or be empty.
        splits: Empty: train and validation. The holdout is exported only if it is named.

    Raises:
        BadInput: No such run or round, nothing to export, or the target exists or can't be written.
        DiskFull: The disk is full.
    """
    check_free(target)
    with open_results(runs) as store:
        selection = select(store, runs, run_row(store, run), round_number, splits)
    redactor = Redactor.of(selection.config)
    documents = Documents(runs, selection.config.model_spec, redactor)
    done = Exported(selection.row.id)
    with new_folder(target) as folder:
        if form is Format.ATIF:
            _write_jobs(folder, selection, documents, done)
        elif form is Format.OTEL:
            _write_traces(folder, selection, documents, done)
        else:
            _write_dataset(folder, selection, documents, done)
        _refuse_nothing(done)
    return done


def _refuse_nothing(done: Exported) -> None:
    if not done.trials:
        reason = done.left_out.most_common(1)[0][0]
        raise BadInput(f"run {done.run}", f"no trial can be exported: {reason}", "restore its files from a backup")


def _readable(
    trials: Sequence[ExportedTrial], documents: Documents, done: Exported
) -> Iterator[tuple[ExportedTrial, Document]]:
    """The trials with their trajectories, one at a time; those without one are counted."""
    for trial in trials:
        document = documents.trajectory(trial.result)
        if isinstance(document, str):
            done.left_out[document] += 1
        else:
            done.trials[trial.result.split] += 1
            yield trial, document


def _write_jobs(folder: Path, selection: Selection, documents: Documents, done: Exported) -> None:
    for number, trials in selection.rounds.items():
        job, written = Job(selection, number, documents.redactor), []
        for trial, document in _readable(trials, documents, done):
            job.write_trial(folder / job.name, trial, document)
            written.append(trial)
        if written:
            job.write(folder / job.name, written)


def _write_traces(folder: Path, selection: Selection, documents: Documents, done: Exported) -> None:
    tracer = Tracer(selection, documents.redactor)
    with (folder / TRACES).open("wb") as file:
        for trial in selection.trials:
            events = documents.events(trial.result)
            if isinstance(events, str):
                done.left_out[events] += 1
                continue
            file.write(json_line(tracer.trace(trial, events)))
            done.trials[trial.result.split] += 1
            if events and STARTED_AT not in events[0]:
                done.partial[UNTIMED] += 1


def _write_dataset(folder: Path, selection: Selection, documents: Documents, done: Exported) -> None:
    trials = _readable(selection.trials, documents, done)
    files = write_rows(folder, selection, trials, documents.redactor)
    licences = task_licences(selection.row, selection.tasks, selection.root)
    card = Card(selection, files, licences, done.left_out).text()
    (folder / CARD).write_bytes(documents.redactor.text(card).encode())
