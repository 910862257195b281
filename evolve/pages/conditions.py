"""What the numbers of a run rest on: validity, epochs, drift, null copies, coverage, and the gap between the splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evolve.core.epochs import Change
from evolve.core.records import Verdict
from evolve.pages.round_views import RoundView
from evolve.pages.run_views import ConditionsView, NullCopies, RunView
from evolve.report.predictions import format_predictions
from evolve.report.promises import format_changes
from evolve.runs.conditions import conditions_of
from evolve.runs.evidence import grounds_of
from evolve.runs.results import champions_gap, fresh_coverage
from evolve.runs.stored_config import NETWORKS, stored
from evolve.store import RoundRow, Store


def conditions_view(store: Store, run: RunView, runs: Path, rounds: Sequence[RoundView] = ()) -> ConditionsView:
    """What a run's numbers rest on.

    Args:
        runs: The folder with the results.
        rounds: Those whose predictions are counted.
    """
    grounds, known = grounds_of(store, run.id, runs), conditions_of(store, run.id, runs)
    pair = {"seed": run.seed, "champion": run.champion}
    return ConditionsView(
        validity=grounds.validity,
        weak=grounds.weak,
        networks=stored(run.row, NETWORKS),
        changes=tuple(known.changes),
        notes=drift_notes(store, run, known.changes),
        null_copies=null_copies(store.rounds_in_brief(run.id), run.config.gate.risk),
        coverage={name: fresh_coverage(store, run.id, one.candidate, run.config) for name, one in pair.items() if one},
        gap=champions_gap(store, run.id) if run.champion else None,
        predictions=prediction_notes(rounds),
    )


def drift_notes(store: Store, run: RunView, changes: Sequence[Change]) -> tuple[str, ...]:
    """A line for each change of conditions, and one if the seed scaffold's own trials show a change."""
    seed = store.trials(run.id, run.seed.candidate.commit) if run.seed else []
    return tuple(format_changes(changes, seed))


def null_copies(rounds: Sequence[RoundRow], risk: float) -> NullCopies:
    """How the gate judged unchanged copies of the tip."""
    verdicts = [row.decision.would_be for row in rounds if row.decision and row.decision.would_be]
    return NullCopies(len(verdicts), verdicts.count(Verdict.KEEP), verdicts.count(Verdict.STACK), risk)


def prediction_notes(rounds: Sequence[RoundView]) -> tuple[str, ...]:
    """How often predicted effects came true, beside how often train tasks moved so without a prediction."""
    named = [one for one in rounds if one.fixes or one.breaks]
    rows = [{**vars(one.predictions), "commit_sha": one.commit} for one in named]
    better, worse = (sum(len(getattr(one.moves, name)) for one in named) for name in ("fixed", "broken"))
    return tuple(format_predictions(rows, (better, worse, sum(one.moves.compared for one in named))))


def doubts(rounds: Sequence[RoundView]) -> tuple[int, float]:
    """How many new champions there were, and the expected number of false ones among them."""
    crowned = [
        one.evidence.doubt
        for one, before in zip(rounds[1:], rounds, strict=False)
        if one.evidence and one.champion != before.champion
    ]
    return len(crowned), sum(crowned)
