"""What the page of a run says of the whole run: it reads more than a page of rows, and so is kept for a while."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evolve.core.validity import Validity
from evolve.gate.comparison import Comparison
from evolve.pages.claim_views import ClaimView
from evolve.pages.claiming import claim_view
from evolve.pages.reading import cost_lines, run_view
from evolve.pages.round_views import TaskMoves
from evolve.pages.rounds import own_effect, task_moves
from evolve.pages.run_views import CostLine, RunView
from evolve.report.compare_runs import ComparedRun
from evolve.runs.evidence import grounds_of
from evolve.runs.stored_config import stored, stored_config
from evolve.store import RunRow, Store


@dataclass(frozen=True)
class Summary:
    """A run as a whole."""

    run: RunView
    claim: ClaimView
    validity: Validity


def summarise(store: Store, row: RunRow, runs: Path) -> Summary:
    """Read a run as a whole. Raises BadInput if its config can't be read."""
    view = run_view(store, row)
    return Summary(view, claim_view(store, view), grounds_of(store, row.id, runs).validity)


def summarise_costs(store: Store, row: RunRow) -> tuple[CostLine, ...]:
    """What each role of a run spent."""
    return cost_lines(store, row.id, stored_config(row))


@dataclass(frozen=True)
class OwnEffect:
    """A candidate against its parent's own trials: on the same attempts if `is_paired`, else at the same tasks."""

    effect: Comparison | None
    is_paired: bool
    moves: TaskMoves


def own_effect_of(store: Store, run: str, parent: str, commit: str) -> OwnEffect:
    """What a patch did, from all trials of its candidate and of its parent (their commits)."""
    old, new = store.trials(run, parent), store.trials(run, commit)
    return OwnEffect(*own_effect(old, new), task_moves(old, new))


def compared(store: Store, summary: Summary) -> ComparedRun:
    """What is compared of a run with another."""
    run = summary.run
    return ComparedRun(
        row=run.row,
        scaffold_digest=stored(run.row, "scaffold_digest"),
        tasks=store.tasks(run.id),
        rounds=run.verdicts.rounds,
        patches=run.patches,
        trials=run.trials,
        minutes=run.minutes,
        usage=run.usage,
        seed=run.seed.scores if run.seed else {},
        champion=run.champion.scores if run.champion else {},
        is_valid=summary.validity.valid,
        config=run.config,
    )
