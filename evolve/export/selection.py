"""Which trials of a run are exported, and the names of what is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.core.records import Split, TrialResult, stable_hash
from evolve.runs.stored_config import stored_config
from evolve.store import RunRow, Store, TaskRow

# The holdout is exported only if it is asked for by name.
DEFAULT_SPLITS = (Split.TRAIN, Split.VALIDATION)
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
MOST_KEPT = 60


@dataclass(frozen=True)
class ExportedTrial:
    """One trial. `round`: of its candidate; `digest`: of its task's files, "" if that is unknown."""

    result: TrialResult
    round: int
    digest: str

    @property
    def name(self) -> str:
        """Unique within its round; safe as a file name."""
        return f"{file_name(self.result.task)}__{self.result.attempt}"


@dataclass(frozen=True)
class Selection:
    """The trials of a run that are exported.

    `tasks`: those of the chosen splits; `round`: None if all are exported; `null_copies`: the rounds among them whose
    candidate is an unchanged copy of its parent.
    """

    row: RunRow
    config: RunConfig
    root: Path
    splits: tuple[Split, ...]
    tasks: tuple[TaskRow, ...]
    trials: tuple[ExportedTrial, ...]
    round: int | None = None
    null_copies: frozenset[int] = frozenset()

    @property
    def rounds(self) -> dict[int, list[ExportedTrial]]:
        """The trials by round."""
        found: dict[int, list[ExportedTrial]] = {}
        for trial in self.trials:
            found.setdefault(trial.round, []).append(trial)
        return found


def select(
    store: Store, root: Path, row: RunRow, round_number: int | None = None, splits: Sequence[Split] = ()
) -> Selection:
    """Select the trials that count as evidence, of one round or of all.

    Args:
        root: The folder of the results.
        splits: Empty: train and validation.

    Raises:
        BadInput: There is no such round, or none of its trials is of these splits.
    """
    chosen = tuple(split for split in Split if split in (splits or DEFAULT_SPLITS))
    rounds = {candidate.commit: candidate.round for candidate in store.candidates(row.id)}
    if round_number is not None and round_number not in rounds.values():
        problem = f"run {row.id} has no candidate of it"
        raise BadInput(f"round {round_number}", problem, f"see `evolve history --run {row.id}`")
    tasks = tuple(task for task in store.tasks(row.id) if task.split in chosen)
    digests = {task.name: task.digest for task in tasks}
    trials = [
        ExportedTrial(result, rounds[result.candidate], digests.get(result.task, ""))
        for result in store.trials(row.id)
        if result.counts and result.split in chosen and round_number in (None, rounds[result.candidate])
    ]
    if not trials:
        raise BadInput(f"run {row.id}", f"it has no trials of {', '.join(chosen)} here", "name others with --split")
    trials.sort(key=lambda trial: (trial.round, trial.result.task, trial.result.attempt))
    copies = {one.number for one in store.milestones(row.id) if one.decision.would_be} & {one.round for one in trials}
    exported = tuple(trials)
    return Selection(row, stored_config(row), root, chosen, tasks, exported, round_number, frozenset(copies))


def file_name(text: str) -> str:
    """A file's name made from a text: the text itself if it is safe, otherwise what can be kept of it, with a hash."""
    if SAFE_NAME.fullmatch(text):
        return text
    kept = UNSAFE.sub("-", text)[:MOST_KEPT].strip(".-_")
    return f"{kept or 'name'}-{stable_hash('file name', text):016x}"
