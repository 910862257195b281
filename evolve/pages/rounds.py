"""Rounds of a stored run as pages show them, each with its patch's effect against the parent's own trials."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from evolve.analysis import task_changes
from evolve.core.coverage import Coverage
from evolve.core.ends import Ends
from evolve.core.records import Proposal, Scored, Split
from evolve.core.scores import gap, score
from evolve.gate.comparison import Comparison, Slot, compare
from evolve.pages.round_views import Kind, LineageNode, Predictions, RoundView, TaskMoves
from evolve.runs.history import HistoryPart, history_parts
from evolve.runs.results import of_split
from evolve.store import RoundRow, Store

Trials = Mapping[str, Sequence[Scored]]


def round_views(
    store: Store, run: str, runs: Path, first: int = 0, last: int | None = None, priced: bool = True
) -> tuple[RoundView, ...]:
    """The rounds `first` to `last` in order; None: to the newest.

    Args:
        runs: The folder with the results.
        priced: Whether the prices of all models are known.
    """
    return tuple(iter_rounds(store, run, runs, first, last, priced))


def iter_rounds(
    store: Store, run: str, runs: Path, first: int = 0, last: int | None = None, priced: bool = True
) -> Iterator[RoundView]:
    """The same one by one: no more than the trials of some hundred rounds are in memory."""
    rounds = {row.number: row for row in store.rounds_in_brief(run)}
    tips = tips_of([*rounds.values()])
    lessons = {lesson.round: lesson.text for lesson in store.lessons(run, first - 1)}
    end = store.newest_round(run) if last is None else last
    for part in history_parts(store, run, runs, max(first, 1), end):
        by_commit = _by_candidate(part)
        for facts in part.rows:
            row = rounds[facts["round"]]
            if first <= row.number <= end:
                yield round_view(
                    row, facts, by_commit, rounds[0], tips.get(row.number), lessons.get(row.number), priced
                )


def _by_candidate(part: HistoryPart) -> dict[str, list[Scored]]:
    by_commit: dict[str, list[Scored]] = defaultdict(list)
    for trial in part.trials:
        by_commit[trial.candidate].append(trial)
    return by_commit


def round_view(
    row: RoundRow,
    facts: Mapping[str, Any],
    trials: Trials,
    seed: RoundRow,
    tip: int | None,
    lesson: str | None,
    priced: bool,
) -> RoundView:
    """One round.

    Args:
        facts: Its row of the history.
        trials: Of its candidate, its parent and the seed scaffold, by commit.
        seed: Round 0.
        tip: The round of the tip after it.
    """
    commit = row.candidate.commit if row.candidate else None
    own = trials.get(commit or "", ())
    found, paired = own_effect(trials.get(row.parent.commit, ()), own) if row.parent else (None, True)
    before = trials.get(seed.candidate.commit, ()) if row.number and seed.candidate else ()
    return RoundView(
        number=row.number,
        started_at=row.started_at,
        commit=commit,
        branch=row.candidate.branch if row.candidate else None,
        parent=row.parent.round if row.parent else None,
        champion=facts["champion_round"],
        tip=tip,
        own_effect=found,
        paired=paired,
        scores={split: score(of_split(own, split)) for split in (Split.TRAIN, Split.VALIDATION)},
        gap=gap(before, own) if before else None,
        moves=task_moves(trials.get(row.parent.commit, ()), own) if row.parent else TaskMoves(),
        predictions=Predictions(*(facts[name] for name in ("predicted", "fixed", "feared", "broken"))),
        trials=facts["trials"],
        coverage=Coverage(facts["graded"], facts["attempts"]),
        ungraded=facts["ungraded"],
        faults=facts["infra_errors"],
        voided=facts["voided"],
        epoch=facts["epoch"],
        usd=facts["cost_usd"] if priced else None,
        minutes=facts["minutes"],
        lesson=lesson or "",
        **_decided(row),
        **_proposed(row.proposal, row.number),
    )


def own_effect(parent: Sequence[Scored], own: Sequence[Scored]) -> tuple[Comparison | None, bool]:
    """A candidate against its parent on train and validation, and whether on the same attempts.

    On other attempts at the same tasks only if they share fewer than two tasks otherwise; None if they do there too.
    """
    old, new = _rewards(parent), _rewards(own)
    if paired := compare(old, new):
        return paired, True
    return compare(_of_tasks(old), _of_tasks(new)), False


def _of_tasks(rewards: Mapping[Slot, float]) -> dict[Slot, float]:
    """The mean reward of each task, as if it had one attempt."""
    by_task: dict[str, list[float]] = defaultdict(list)
    for (task, _), reward in rewards.items():
        by_task[task].append(reward)
    return {(task, 0): fmean(values) for task, values in by_task.items()}


def task_moves(parent: Sequence[Scored], own: Sequence[Scored]) -> TaskMoves:
    """The train tasks that a candidate's patch moved."""
    old, new = (of_split(trials, Split.TRAIN) for trials in (parent, own))
    changes = task_changes(old, new)
    compared = {trial.task for trial in old} & {trial.task for trial in new}
    return TaskMoves(tuple(changes.fixed), tuple(changes.broken), len(compared))


def _rewards(trials: Sequence[Scored]) -> dict[Slot, float]:
    return {(t.task, t.attempt): t.reward for t in trials if t.reward is not None and t.split is not Split.HOLDOUT}


def _decided(row: RoundRow) -> dict[str, Any]:
    decision = row.decision
    if decision is None:
        return {}
    return {
        "verdict": decision.verdict,
        "fate": decision.fate,
        "would_be": decision.would_be,
        "reason": decision.reason,
        "evidence": decision.evidence,
    }


def _proposed(proposal: Proposal | None, number: int) -> dict[str, Any]:
    if proposal is None:
        return {"kind": Kind.PATCH if number else Kind.SEED}
    return {
        "kind": _kind(proposal),
        "about": proposal.ablates if proposal.ablates is not None else proposal.merges,
        "hypothesis": proposal.hypothesis,
        "prediction": proposal.prediction,
        "note": proposal.note,
        "fixes": proposal.fixes,
        "breaks": proposal.breaks,
    }


def _kind(proposal: Proposal) -> Kind:
    if proposal.null_copy:
        return Kind.NULL_COPY
    if proposal.ablates is not None:
        return Kind.ABLATION
    return Kind.PATCH if proposal.merges is None else Kind.MERGE


def tips_of(rounds: Sequence[RoundRow]) -> dict[int, int]:
    """The round of the tip after each decided round."""
    ends, tips = Ends(), {}
    for row in rounds:
        if row.decision is not None:
            ends = ends.after(row.number, row.decision)
            tips[row.number] = ends.tip
    return tips


def ancestors(rounds: Sequence[RoundView] | Sequence[RoundRow], number: int | None) -> tuple[int, ...]:
    """The rounds from a candidate back to the seed scaffold, itself first."""
    parents = {row.number: _parent(row) for row in rounds}
    found: list[int] = []
    while number is not None and number in parents:
        found.append(number)
        number = parents[number]
    return tuple(found)


def _parent(row: RoundView | RoundRow) -> int | None:
    if isinstance(row, RoundView):
        return row.parent
    return row.parent.round if row.parent else None


def lineage_nodes(rounds: Sequence[RoundView]) -> tuple[LineageNode, ...]:
    """The candidates from the seed scaffold to the tip; none before the first decision."""
    last = next((one for one in reversed(rounds) if one.decided), None)
    if last is None:
        return ()
    path = set(ancestors(rounds, last.tip))
    children: dict[int, list[RoundView]] = defaultdict(list)
    for one in rounds:
        if one.parent is not None and one.number not in path:
            children[one.parent].append(one)
    return tuple(_node(one, last, children[one.number]) for one in rounds if one.number in path)


def _node(one: RoundView, last: RoundView, children: Sequence[RoundView]) -> LineageNode:
    branches = tuple(child for child in children if child.built_upon)
    dropped = Counter("null copy" if child.would_be else child.outcome for child in children if not child.built_upon)
    return LineageNode(one, one.number == last.champion, one.number == last.tip, dict(dropped), branches)
