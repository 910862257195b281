"""Trajectories as JSON Lines, one file for each split, beside a dataset card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.core.records import Split
from evolve.export.documents import Document
from evolve.export.redaction import Redactor, json_line
from evolve.export.selection import ExportedTrial, Selection

DATA = "data"


@dataclass(frozen=True)
class DataFile:
    """One written file. `path`: relative to the dataset's folder."""

    split: Split
    path: str
    rows: int
    tasks: int
    passed: int
    bytes: int
    sha256: str


def write_rows(
    folder: Path, selection: Selection, trials: Iterable[tuple[ExportedTrial, Document]], redactor: Redactor
) -> list[DataFile]:
    """Write the trials, which are read one at a time, into the file of their split."""
    files = {split: _RowFile(folder, split) for split in selection.splits}
    for trial, document in trials:
        # As text: its free parts have no schema that a table could hold.
        text = {"trajectory": json.dumps(document, allow_nan=False)}
        files[trial.result.split].add(trial, {**redactor.value(_row(selection, trial)), **text})
    return [file.closed() for file in files.values() if file.rows]


class _RowFile:
    """A file that is being written; it exists from its first row on."""

    def __init__(self, folder: Path, split: Split) -> None:
        self._folder, self._split = folder, split
        self.path = f"{DATA}/{split}.jsonl"
        self.rows = self._passed = self._bytes = 0
        self._tasks: set[str] = set()
        self._sum = hashlib.sha256()

    def add(self, trial: ExportedTrial, row: dict[str, Any]) -> None:
        line = json_line(row)
        (self._folder / DATA).mkdir(exist_ok=True)
        with (self._folder / self.path).open("ab") as file:
            file.write(line)
        self._sum.update(line)
        self.rows += 1
        self._bytes += len(line)
        self._passed += trial.result.reward == 1.0
        self._tasks.add(trial.result.task)

    def closed(self) -> DataFile:
        return DataFile(
            self._split, self.path, self.rows, len(self._tasks), self._passed, self._bytes, self._sum.hexdigest()
        )


def _row(selection: Selection, trial: ExportedTrial) -> dict[str, Any]:
    result, usage = trial.result, trial.result.usage
    return {
        "run": selection.row.id,
        "round": trial.round,
        "commit": result.candidate,
        "task": result.task,
        "task_digest": trial.digest,
        "split": str(result.split),
        "attempt": result.attempt,
        "seed": result.seed,
        "model": selection.config.model,
        "outcome": str(result.outcome),
        "reward": float(result.reward or 0.0),
        "started_at": result.started_at,
        "seconds": float(result.seconds),
        "calls": usage.calls,
        "commands": usage.commands,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cost_usd": usage.cost_usd if selection.config.scaffold_priced or usage.cost_usd else None,
    }
