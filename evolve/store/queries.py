"""The queries, for the store to execute. Most take a run's id."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Select,
    Table,
    TextClause,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    union_all,
)

from evolve.core.records import StackFate, Verdict
from evolve.store.convert import CACHED, CONDITION, GRADER, GRADING, REUSED, SPENT, TRIED_AGAIN
from evolve.store.schema import (
    candidate,
    decision,
    grading,
    holdout_look,
    lesson,
    loss,
    prediction,
    preflight,
    proposal,
    regrade,
    round_,
    run_end,
    session,
    task,
    trial,
    trial_condition,
)
from evolve.store.schema import run as run_
from evolve.store.views import VIEWS

Query = Select[Any]
SUMMED = (*SPENT, "commands", *TRIED_AGAIN, *CACHED, *REUSED)

_parent = candidate.alias("parent")


def runs(dialect: str) -> Query:
    """Newest first: by row id where there is one, because the clock may have been set back."""
    newest = (
        [literal_column("run.rowid").desc()] if dialect == "sqlite" else [run_.c.created_at.desc(), run_.c.id.desc()]
    )
    return select(run_).order_by(*newest)


def candidates(run: str, after: int = -1) -> Query:
    """Candidates of rounds above `after`, with `parent_commit`, in the order of the rounds."""
    return (
        select(candidate, _parent.c.commit_sha.label("parent_commit"))
        .outerjoin(_parent, _parent.c.id == candidate.c.parent_id)
        .where(candidate.c.run_id == run, candidate.c.round > after)
        .order_by(candidate.c.round)
    )


def champion(run: str) -> Query:
    """The last accepted candidate, up to the last round that made a champion: later stacked patches don't count."""
    kept = decision.c.verdict.in_((Verdict.KEEP.value, Verdict.BASELINE.value))
    makes_champion = or_(kept, decision.c.fate == StackFate.PROMOTED.value)
    last = select(func.max(decision.c.round)).where(decision.c.run_id == run, makes_champion).scalar_subquery()
    accepted = decision.c.verdict.in_((Verdict.KEEP.value, Verdict.BASELINE.value, Verdict.STACK.value))
    same_round = (decision.c.run_id == candidate.c.run_id) & (decision.c.round == candidate.c.round)
    query = candidates(run).join(decision, same_round).where(accepted, candidate.c.round <= last)
    return query.order_by(None).order_by(candidate.c.round.desc()).limit(1)


def candidate_key(run: str, commit: str) -> Query:
    same = (candidate.c.run_id == run) & (candidate.c.commit_sha == commit)
    return select(candidate.c.id, candidate.c.round).where(same)


def trials(run: str, commit: str | None) -> Query:
    """Trials with `commit_sha` and the columns of CONDITION, in the order in which they were written.

    What their tests asked a model is in columns that begin with GRADER.
    """
    conditions = (trial_condition.c[name] for name in CONDITION)
    gradings = (grading.c[name].label(f"{GRADER}{name}") for name in GRADING)
    own_grading = (grading.c.trial_id == trial.c.id) & grading.c.regrade_id.is_(None)
    query = (
        select(trial, candidate.c.commit_sha, *conditions, *gradings)
        .join(candidate, candidate.c.id == trial.c.candidate_id)
        .outerjoin(trial_condition, trial_condition.c.trial_id == trial.c.id)
        .outerjoin(grading, own_grading)
    )
    if commit is not None:
        query = query.where(candidate.c.commit_sha == commit)
    return query.where(trial.c.run_id == run).order_by(trial.c.id)


def rounds(run: str, after: int) -> Query:
    """Rounds above `after`, in order."""
    return select(round_).where(round_.c.run_id == run, round_.c.number > after).order_by(round_.c.number)


def of_rounds(table: Table, run: str, after: int) -> Query:
    """Rows for rounds above `after`, of a table with at most one row per round."""
    return select(table).where(table.c.run_id == run, table.c.round > after)


def tasks(run: str) -> Query:
    columns = (task.c.name, task.c.split, task.c.difficulty, task.c.digest, task.c.set_aside.label("excluded"))
    return select(*columns).where(task.c.run_id == run).order_by(task.c.name)


def looks(run: str) -> Query:
    query = select(candidate.c.commit_sha.label("commit"), holdout_look.c.why, holdout_look.c.looked_at)
    query = query.join(candidate, candidate.c.id == holdout_look.c.candidate_id)
    return query.where(holdout_look.c.run_id == run).order_by(holdout_look.c.id)


def looks_at_suite(digest: str) -> Query:
    """Uses of the holdout of a suite by all runs; the digest is in each run's stored config."""
    columns = (candidate.c.commit_sha.label("commit"), holdout_look.c.why, holdout_look.c.looked_at)
    query = select(*columns, holdout_look.c.run_id.label("run"))
    query = query.join(candidate, candidate.c.id == holdout_look.c.candidate_id)
    query = query.join(run_, run_.c.id == holdout_look.c.run_id)
    return query.where(run_.c.config.contains(f'"suite_digest": "{digest}"', autoescape=True)).order_by(
        holdout_look.c.id
    )


def ends(run: str) -> Query:
    return select(run_end.c.reason, run_end.c.ended_at).where(run_end.c.run_id == run).order_by(run_end.c.id)


def sessions(run: str) -> Query:
    columns = (getattr(session.c, name) for name in ("started_at", "evolve_version", "host", "pid", "caps", "id"))
    return select(*columns).where(session.c.run_id == run).order_by(session.c.id)


def moments(run: str) -> CompoundSelect[Any]:
    """Pairs of `at` and `seconds`: when something of the run was stored, or began and how long it took."""
    stamps = (
        (trial.c.started_at, trial.c.seconds, trial),
        (decision.c.decided_at, literal(0.0), decision),
        (proposal.c.created_at, literal(0.0), proposal),
        (lesson.c.created_at, literal(0.0), lesson),
        (run_end.c.ended_at, literal(0.0), run_end),
    )
    chosen = (select(at.label("at"), seconds.label("seconds")).where(of.c.run_id == run) for at, seconds, of in stamps)
    return union_all(*chosen)


def trial_count(run: str) -> Query:
    return select(func.count()).where(trial.c.run_id == run)


def ungraded(run: str) -> Query:
    """Trials whose state was kept, like `trials`."""
    return trials(run, None).where(trial.c.state_path.is_not(None))


def regrades(run: str) -> Query:
    return select(regrade).where(regrade.c.run_id == run).order_by(regrade.c.id)


def losses(run: str) -> Query:
    return select(loss).where(loss.c.run_id == run).order_by(loss.c.id)


def preflights(run: str) -> Query:
    return select(preflight).where(preflight.c.run_id == run).order_by(preflight.c.id)


def conditions(run: str) -> Query:
    """The conditions of the run's trials, in the order in which the trials were written."""
    query = select(*(trial_condition.c[name] for name in CONDITION)).join(
        trial, trial.c.id == trial_condition.c.trial_id
    )
    return query.where(trial.c.run_id == run).order_by(trial.c.id)


def spent_on_trials(run: str, after: int) -> Query:
    """The run's sums of SUMMED over trials with ids above `after`, and `last`, the highest id of any trial.

    The id is the only condition, so that the database reads only the new rows.
    """
    sums = [_sum(case((trial.c.run_id == run, trial.c[name]), else_=0)).label(name) for name in SUMMED]
    return select(func.max(trial.c.id).label("last"), *sums).where(trial.c.id > after)


def spent_beside(run: str) -> CompoundSelect[Any]:
    """The sums of SPENT and CACHED: one row each for proposals, lessons, losses, checks of endpoints and gradings."""
    return union_all(
        *(
            select(*(_sum(table.c[name]).label(name) for name in (*SPENT, *CACHED))).where(table.c.run_id == run)
            for table in (proposal, lesson, loss, preflight, grading)
        )
    )


def _sum(column: Any) -> Any:
    return func.coalesce(func.sum(column), 0)


def predictions(run: str, after: int) -> Query:
    """Predictions of rounds above `after`, sorted by round, kind and task."""
    columns = (prediction.c.round, prediction.c.kind, prediction.c.task)
    return select(*columns).where(prediction.c.run_id == run, prediction.c.round > after).order_by(*columns)


def lessons(run: str) -> Query:
    return select(lesson).where(lesson.c.run_id == run).order_by(lesson.c.round)


def view(name: str, run: str | None) -> TextClause:
    """The rows of a view in order; `name` is one of VIEWS."""
    order = ", ".join(VIEWS[name])
    if run is None:
        return text(f"SELECT * FROM {name} ORDER BY {order}")
    return text(f"SELECT * FROM {name} WHERE run = :run ORDER BY {order}").bindparams(run=run)
