"""Check what is kept beside a run to save work: that it says what the rows say."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from evolve.budget import kept_spending
from evolve.core.config import BUILT_IN
from evolve.core.errors import EvolveError
from evolve.loop import checkpoint
from evolve.loop.candidates import text_files
from evolve.loop.checkpoint import Checkpoint
from evolve.loop.judging import initial_standing
from evolve.maintenance.doctor.finding import BAD, Finding
from evolve.runs import round_scores, tally
from evolve.runs.identity import suite_of_run
from evolve.runs.repository import lineage_of
from evolve.runs.stored_config import stored_config
from evolve.store import RunRow, Store

FIX = "delete it: it is made anew from the rows"


def examine(runs: Path, store: Store, rows: Sequence[RunRow], busy: Collection[str]) -> list[Finding]:
    """Derive again what is kept of the runs that nobody works on, and compare; reports differences alone."""
    findings = []
    for row in rows:
        if row.id not in busy:
            problems = [kept.problem(store, row.id, runs / row.id) for kept in (tally, round_scores, kept_spending)]
            # Without its suite or its repository, the run is not resumed either.
            with contextlib.suppress(EvolveError):
                problems.append(_standing_problem(runs, store, row))
            findings += [Finding("kept figures", BAD, problem, FIX) for problem in problems if problem]
    return findings


def _standing_problem(runs: Path, store: Store, row: RunRow) -> str:
    """Why the kept standing is wrong; "" if it is right, or if a plug-in decided the rounds."""
    config = stored_config(row)
    if config.gate.rule not in BUILT_IN["rule"] or not (runs / row.id / checkpoint.FILE).exists():
        return ""
    suite, lineage = suite_of_run(row, runs), lineage_of(row, runs)
    used = {task.name for task in store.tasks(row.id) if task.excluded is None}
    suite = replace(suite, tasks=tuple(task for task in suite.tasks if task.name in used))
    kept = Checkpoint(row.id, store, runs / row.id, lambda commit: text_files(lineage, commit))
    return kept.problem(initial_standing(suite, config, store.seed(row.id)))
