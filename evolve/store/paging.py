"""Read a part of a long run's rows: filtered, sorted, and no more than a page of them. The SQL is here too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select

from evolve.core.records import Outcome
from evolve.store import queries
from evolve.store.schema import (
    candidate,
    decision,
    holdout_look,
    lesson,
    proposal,
    regrade,
    round_,
    run_end,
    session,
    trial,
)

Query = Select[Any]
_ROUND_COLUMNS = (
    round_.c.number, round_.c.parent_round, round_.c.started_at, round_.c.race, candidate.c.commit_sha,
    proposal.c.hypothesis, proposal.c.null_copy, proposal.c.ablates, proposal.c.merges, proposal.c.cost_usd,
    decision.c.verdict, decision.c.fate, decision.c.reason, decision.c.effect, decision.c.error, decision.c.doubt,
    decision.c.decided_at, decision.c.would_be, decision.c.back_to,
)  # fmt: skip
# By which rounds can be sorted: all in tables with one row for each round.
ROUND_ORDERS = {
    "round": round_.c.number,
    "verdict": decision.c.verdict,
    "effect": decision.c.effect,
    "doubt": decision.c.doubt,
    "parent": round_.c.parent_round,
    "hypothesis": proposal.c.hypothesis,
}

# By which the trials of one round can be sorted.
TRIAL_ORDERS = {
    "task": trial.c.task,
    "split": trial.c.split,
    "attempt": trial.c.attempt,
    "outcome": trial.c.outcome,
    "reward": trial.c.reward,
    "seconds": trial.c.seconds,
    "calls": trial.c.calls,
    "tokens": trial.c.prompt_tokens + trial.c.completion_tokens,
    "cost": trial.c.cost_usd,
}
# So many trials are looked at for a page of a long run, whatever is chosen of them.
SCANNED = 50_000


@dataclass(frozen=True)
class RoundFilter:
    """Which rounds to read. text: a part of the hypothesis or of the reason; verdict: "open" for undecided ones."""

    verdict: str = ""
    text: str = ""


@dataclass(frozen=True)
class TrialFilter:
    """Which trials to read; None and "": all."""

    round: int | None = None
    task: str = ""
    split: str = ""
    outcome: str = ""
    attempt: int | None = None


@dataclass(frozen=True)
class Page:
    """Which of the chosen rows to read."""

    first: int = 0
    most: int = 50
    order: str = ""
    descending: bool = False


def rounds_page(run: str, chosen: RoundFilter, page: Page) -> Query:
    """One page of rounds with proposal and decision; rows without a value in the sorted column come last."""
    column = ROUND_ORDERS.get(page.order, round_.c.number)
    order = column.desc() if page.descending else column.asc()
    query = _rounds(_ROUND_COLUMNS, run, chosen).order_by(order.nulls_last(), round_.c.number.desc())
    return query.limit(page.most).offset(page.first)


def decided_at(run: str, number: int) -> Query:
    return select(decision.c.decided_at).where(decision.c.run_id == run, decision.c.round == number)


def rounds_count(run: str, chosen: RoundFilter) -> Query:
    return _rounds((func.count(),), run, chosen)


def _rounds(columns: Sequence[Any], run: str, chosen: RoundFilter) -> Query:
    query = select(*columns).select_from(round_)
    for table in (candidate, proposal, decision):
        same = and_(table.c.run_id == round_.c.run_id, table.c.round == round_.c.number)
        query = query.outerjoin(table, same)
    query = query.where(round_.c.run_id == run)
    if chosen.verdict == "open":
        query = query.where(decision.c.verdict.is_(None))
    elif chosen.verdict:
        query = query.where(decision.c.verdict == chosen.verdict)
    if chosen.text:
        found = (
            column.icontains(chosen.text, autoescape=True) for column in (proposal.c.hypothesis, decision.c.reason)
        )
        query = query.where(func.coalesce(next(found), False) | func.coalesce(next(found), False))
    return query


def figures(run: str, numbers: Sequence[int]) -> Query:
    """By round and split of these rounds' candidates: trials that count, the mean over tasks, and faults.

    `square` is the mean square of the means of `tasks` tasks.
    """
    counts = trial.c.outcome != Outcome.INFRA_ERROR.value
    by_task = (
        select(
            candidate.c.round,
            trial.c.split,
            trial.c.task,
            func.count(case((counts, 1))).label("trials"),
            func.avg(trial.c.reward).label("reward"),
            func.count(case((~counts, 1))).label("faults"),
        )
        .join(candidate, candidate.c.id == trial.c.candidate_id)
        .where(trial.c.run_id == run, trial.c.candidate_id.in_(_candidates(run, numbers)))
        .group_by(candidate.c.round, trial.c.split, trial.c.task)
        .subquery()
    )
    sums = (func.sum(by_task.c.trials).label("trials"), func.sum(by_task.c.faults).label("faults"))
    mean = func.avg(by_task.c.reward).label("reward")
    spread = (
        func.count(by_task.c.reward).label("tasks"),
        func.avg(by_task.c.reward * by_task.c.reward).label("square"),
    )
    return select(by_task.c.round, by_task.c.split, *sums, mean, *spread).group_by(by_task.c.round, by_task.c.split)


def _candidates(run: str, numbers: Sequence[int]) -> Query:
    return select(candidate.c.id).where(candidate.c.run_id == run, candidate.c.round.in_(numbers))


def trials_of_round(run: str, chosen: TrialFilter, page: Page) -> Query:
    """One page of the trials of a round's candidate, which `chosen` names."""
    column = TRIAL_ORDERS.get(page.order, trial.c.id)
    order = column.desc() if page.descending else column.asc()
    query = queries.trials(run).add_columns(candidate.c.round).where(*_conditions(run, chosen))
    return query.order_by(None).order_by(order.nulls_last(), trial.c.id).limit(page.most).offset(page.first)


def newest_trials(run: str, chosen: TrialFilter, before: int, most: int) -> Query:
    """The chosen ones of the SCANNED trials before this id, the newest first.

    Rows are read in their order, since an index on candidates would make the database sort all of the run's trials.
    """
    of_run = trial.c.run_id.op("||")("") == run
    scanned = and_(trial.c.id < before, trial.c.id >= before - SCANNED)
    ids = select(trial.c.id).where(scanned, of_run, *_conditions(run, chosen)).order_by(trial.c.id.desc())
    query = queries.trials(run).add_columns(candidate.c.round)
    return query.where(trial.c.id.in_(ids.limit(most))).order_by(None).order_by(trial.c.id.desc())


def highest_trial() -> Query:
    """The highest id of a trial of any run: the database keeps it at hand."""
    return select(func.coalesce(func.max(trial.c.id), 0))


def state_marker(run: str) -> Query:
    """Numbers of rows that grow with whatever is stored of a run."""
    parts = [highest_trial().scalar_subquery()]
    for table in (round_, proposal, candidate, decision, lesson, run_end, session, regrade, holdout_look):
        parts.append(select(func.count()).select_from(table).where(table.c.run_id == run).scalar_subquery())
    return select(*parts)


def _conditions(run: str, chosen: TrialFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if chosen.round is not None:
        found.append(trial.c.candidate_id.in_(_candidates(run, [chosen.round])))
    if chosen.attempt is not None:
        found.append(trial.c.attempt == chosen.attempt)
    for column, value in (
        (trial.c.task, chosen.task),
        (trial.c.split, chosen.split),
        (trial.c.outcome, chosen.outcome),
    ):
        if value:
            found.append(column == value)
    return found


def latest_sessions(runs: Sequence[str]) -> Query:
    """The last session of each of these runs, with `run_id`."""
    last = select(func.max(session.c.id)).where(session.c.run_id.in_(runs)).group_by(session.c.run_id)
    return select(session).where(session.c.id.in_(last))


def latest_ends(runs: Sequence[str]) -> Query:
    """The last end of each of these runs, with `run_id`."""
    last = select(func.max(run_end.c.id)).where(run_end.c.run_id.in_(runs)).group_by(run_end.c.run_id)
    return select(run_end.c.run_id, run_end.c.reason, run_end.c.ended_at).where(run_end.c.id.in_(last))


def newest_rounds(runs: Sequence[str]) -> Query:
    newest = func.max(round_.c.number).label("newest")
    return select(round_.c.run_id, newest).where(round_.c.run_id.in_(runs)).group_by(round_.c.run_id)


def task_page(run: str, task: str, page: Page) -> Query:
    """One task across candidates, newest round first: trials that count, passes, mean reward and faults of each."""
    counts = trial.c.outcome != Outcome.INFRA_ERROR.value
    recent = select(candidate.c.id, candidate.c.round).where(candidate.c.run_id == run)
    recent = recent.order_by(candidate.c.round.desc()).limit(page.most).offset(page.first)
    some = recent.subquery()
    passed = trial.c.outcome == Outcome.PASSED.value
    return (
        select(
            some.c.round,
            func.count(case((counts, 1))).label("trials"),
            func.count(case((passed, 1))).label("passes"),
            func.avg(trial.c.reward).label("reward"),
            func.count(case((trial.c.id.is_not(None) & ~counts, 1))).label("faults"),
            func.avg(trial.c.seconds).label("seconds"),
            decision.c.verdict,
        )
        .select_from(some)
        .outerjoin(trial, and_(trial.c.run_id == run, trial.c.candidate_id == some.c.id, trial.c.task == task))
        .outerjoin(decision, and_(decision.c.run_id == run, decision.c.round == some.c.round))
        .group_by(some.c.round, decision.c.verdict)
        .order_by(some.c.round.desc())
    )


def candidates_count(run: str) -> Query:
    return select(func.count()).select_from(candidate).where(candidate.c.run_id == run)
