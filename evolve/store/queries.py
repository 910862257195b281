"""The queries, for the store to execute. Most take a run's id."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    CompoundSelect,
    Double,
    Select,
    Table,
    TextClause,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    union,
    union_all,
)

from evolve.core.plausible import MOST_SPENT
from evolve.core.records import Fault, Outcome, StackFate, Verdict
from evolve.store.convert import CACHED, CONDITION, GRADER, GRADING, REUSED, SCORED, SPENT, TRIED_AGAIN
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
from evolve.store.views import HISTORY_FILE, VIEWS

Query = Select[Any]


class Rounds(NamedTuple):
    """Rounds of a run: those from `first` to `last`, without a last one all from `first` on."""

    first: int = 0
    last: int | None = None

    def have(self, number: Any) -> Any:
        """The condition that a column's round is one of them."""
        return number >= self.first if self.last is None else number.between(self.first, self.last)


class SomeRounds(NamedTuple):
    """The rounds with these numbers."""

    numbers: tuple[int, ...]

    def have(self, number: Any) -> Any:
        return number.in_(self.numbers)


AnyRounds = Rounds | SomeRounds
ALL = Rounds()
SUMMED = (*SPENT, "commands", *TRIED_AGAIN, *CACHED, *REUSED)

_parent = candidate.alias("parent")


def runs(dialect: str) -> Query:
    """Newest first: by row id where there is one, because the clock may have been set back."""
    newest = (
        [literal_column("run.rowid").desc()] if dialect == "sqlite" else [run_.c.created_at.desc(), run_.c.id.desc()]
    )
    return select(run_).order_by(*newest)


def candidates(run: str, rounds: AnyRounds = ALL) -> Query:
    """Candidates of the rounds, with `parent_commit`, in the order of the rounds."""
    return (
        select(candidate, _parent.c.commit_sha.label("parent_commit"))
        .outerjoin(_parent, _parent.c.id == candidate.c.parent_id)
        .where(candidate.c.run_id == run, rounds.have(candidate.c.round))
        .order_by(candidate.c.round)
    )


def parents(run: str, rounds: AnyRounds) -> Query:
    """The parents of the rounds, like `candidates`."""
    numbers = select(round_.c.parent_round).where(round_.c.run_id == run, rounds.have(round_.c.number))
    return candidates(run).where(candidate.c.round.in_(numbers))


def milestones(run: str) -> Query:
    """The decisions that may have moved the champion or the tip, or are on a null copy, in the order of the rounds."""
    taken = decision.c.verdict.in_((Verdict.KEEP.value, Verdict.BASELINE.value, Verdict.STACK.value))
    moved = or_(taken, decision.c.fate != StackFate.OPEN.value, decision.c.would_be.is_not(None))
    return select(decision).where(decision.c.run_id == run, moved).order_by(decision.c.round)


def candidates_of_milestones(run: str) -> Query:
    """Their candidates, like `candidates`."""
    numbers = milestones(run).order_by(None).with_only_columns(decision.c.round)
    return candidates(run).where(candidate.c.round.in_(numbers))


def champion(run: str) -> Query:
    """What the last round that made a champion made it of: its own candidate, or the tip of then."""
    kept = decision.c.verdict.in_((Verdict.KEEP.value, Verdict.BASELINE.value))
    made = case((kept, decision.c.round), else_=func.coalesce(decision.c.back_to, round_.c.parent_round))
    same_round = (decision.c.run_id == round_.c.run_id) & (decision.c.round == round_.c.number)
    crowned = select(made).join(round_, same_round)
    crowned = crowned.where(decision.c.run_id == run, or_(kept, decision.c.fate == StackFate.PROMOTED.value))
    last = crowned.order_by(decision.c.round.desc()).limit(1).scalar_subquery()
    return candidates(run).where(candidate.c.round == last)


def candidate_key(run: str, commit: str) -> Query:
    same = (candidate.c.run_id == run) & (candidate.c.commit_sha == commit)
    return select(candidate.c.id, candidate.c.round).where(same)


def trials(run: str | None = None) -> Query:
    """The run's trials, or all, in the order of their writing, with `commit_sha` and the columns of CONDITION.

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
        .order_by(trial.c.id)
    )
    return query if run is None else query.where(trial.c.run_id == run)


def counted_slots(run: str, commit: str, first: int, last: int) -> Query:
    """The tasks and attempts, from `first` to `last`, on which a candidate has a trial that counts: from an index."""
    chosen = select(candidate.c.id).where(candidate.c.run_id == run, candidate.c.commit_sha == commit)
    same = (trial.c.candidate_id == chosen.scalar_subquery(), text("trial.outcome <> 'infra_error'"))
    return select(trial.c.task, trial.c.attempt).where(*same, trial.c.attempt.between(first, last))


def trials_of(run: str, commit: str, after: int) -> Query:
    """Those of one candidate with ids above `after`; by the candidate's key, so that the index on it is used."""
    chosen = select(candidate.c.id).where(candidate.c.run_id == run, candidate.c.commit_sha == commit)
    return trials(run).where(trial.c.candidate_id == chosen.scalar_subquery(), trial.c.id > after)


def latest_trials(run: str, most: int) -> Query:
    """The last ones: those with the highest ids, fewer if other runs wrote trials meanwhile.

    By a range of ids, so that the database reads no others.
    """
    return _latest(trials(), run, most)


def _latest(query: Query, run: str, most: int) -> Query:
    """Those of the run's trials with the highest ids."""
    newest = last_trial(run).scalar_subquery()
    return query.where(trial.c.id > newest - most, _of_run(run))


def rounds(run: str, rounds: AnyRounds) -> Query:
    """The rounds, in order."""
    return select(round_).where(round_.c.run_id == run, rounds.have(round_.c.number)).order_by(round_.c.number)


def decided_count(run: str) -> Query:
    return select(func.count()).select_from(decision).where(decision.c.run_id == run)


def open_rounds(run: str) -> Query:
    """The numbers of the rounds without a decision, in order."""
    decided = select(decision.c.round).where(decision.c.run_id == run)
    query = select(round_.c.number).where(round_.c.run_id == run, round_.c.number.not_in(decided))
    return query.order_by(round_.c.number)


def round_marks(run: str, first: int) -> Query:
    """Of the rounds from `first` on: what their standing depends on besides trials, one column each."""
    race = func.coalesce(round_.c.race, round_.c.number)
    columns = (round_.c.number, race, decision.c.verdict, decision.c.fate, decision.c.back_to, candidate.c.commit_sha)
    query = select(*columns, _parent.c.commit_sha.label("parent_commit"), proposal.c.ablates).select_from(round_)
    for table in (decision, candidate, proposal):
        query = query.outerjoin(table, and_(table.c.run_id == round_.c.run_id, table.c.round == round_.c.number))
    query = query.outerjoin(_parent, _parent.c.id == candidate.c.parent_id)
    return query.where(round_.c.run_id == run, round_.c.number >= first).order_by(round_.c.number)


def round_outlines(run: str, first: int) -> Query:
    """Of the decided rounds from `first` on with a proposal that is no null copy: number, verdict and hypothesis."""
    same = and_(decision.c.run_id == proposal.c.run_id, decision.c.round == proposal.c.round)
    query = select(proposal.c.round, decision.c.verdict, proposal.c.hypothesis).join(decision, same)
    query = query.where(proposal.c.run_id == run, proposal.c.round >= max(first, 1), proposal.c.null_copy == 0)
    return query.order_by(proposal.c.round)


def newest_outline(run: str) -> Query:
    """The last round of `round_outlines`."""
    return round_outlines(run, 1).order_by(None).with_only_columns(func.max(proposal.c.round))


def ablated(run: str, first: int) -> Query:
    """The rounds whose patches were left out by the rounds from `first` on."""
    wanted = (proposal.c.run_id == run, proposal.c.round >= first, proposal.c.ablates.is_not(None))
    return select(proposal.c.ablates).where(*wanted)


def line(run: str, commit: str) -> Query:
    """The rounds of a candidate and of all that it descends from."""
    own = select(candidate.c.id, candidate.c.parent_id, candidate.c.round)
    own = own.where(candidate.c.run_id == run, candidate.c.commit_sha == commit)
    found = own.cte("line", recursive=True)
    above = select(candidate.c.id, candidate.c.parent_id, candidate.c.round).join(
        found, found.c.parent_id == candidate.c.id
    )
    return select(found.union_all(above).c.round)


def first_conversation(run: str) -> Query:
    """The first round whose proposal's conversation was kept."""
    kept = (proposal.c.run_id == run, proposal.c.transcript_path.is_not(None))
    return select(proposal.c.round).where(*kept).order_by(proposal.c.round).limit(1)


def decision_of(run: str, number: int) -> Query:
    return select(decision).where(decision.c.run_id == run, decision.c.round == number)


def paired_rewards(run: str, commit: str, parent: str, split: str) -> Query:
    """Of the trials of a candidate that count, on one split: `task`, `reward`, and the parent's there as `before`."""
    new, old = trial, trial.alias("old")
    own, earlier = (
        select(candidate.c.id).where(candidate.c.run_id == run, candidate.c.commit_sha == one).scalar_subquery()
        for one in (commit, parent)
    )
    same = and_(old.c.candidate_id == earlier, old.c.task == new.c.task, old.c.attempt == new.c.attempt)
    same = and_(same, text("old.outcome <> 'infra_error'"))
    query = select(new.c.task, new.c.reward, old.c.reward.label("before")).select_from(new).outerjoin(old, same)
    return query.where(new.c.candidate_id == own, new.c.split == split, text("trial.outcome <> 'infra_error'"))


def first_open(run: str, first: int) -> Query:
    """The first round from `first` on without a decision."""
    decided = select(decision.c.round).where(decision.c.run_id == run, decision.c.round == round_.c.number)
    wanted = (round_.c.run_id == run, round_.c.number >= first, ~decided.exists())
    return select(func.min(round_.c.number)).where(*wanted)


def of_rounds(table: Table, run: str, rounds: AnyRounds) -> Query:
    """Rows for the rounds, of a table with at most one row per round."""
    return select(table).where(table.c.run_id == run, rounds.have(table.c.round))


def proposals(run: str, rounds: AnyRounds) -> Query:
    """Proposals of the rounds; those of decided rounds without their edits."""
    decided = (decision.c.run_id == proposal.c.run_id) & (decision.c.round == proposal.c.round)
    edits = case((decision.c.round.is_(None), proposal.c.edits), else_="[]").label("edits")
    columns = (column for column in proposal.c if column is not proposal.c.edits)
    query = select(*columns, edits).outerjoin(decision, decided)
    return query.where(proposal.c.run_id == run, rounds.have(proposal.c.round))


def edits(run: str, number: int | None = None) -> Query:
    """The edits of one round's proposal, or of all."""
    query = select(proposal.c.run_id, proposal.c.round, proposal.c.edits).where(proposal.c.run_id == run)
    return query if number is None else query.where(proposal.c.round == number)


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


def decision_times(run: str) -> Query:
    return select(decision.c.round, decision.c.decided_at).where(decision.c.run_id == run).order_by(decision.c.round)


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


def trial_rows(run: str, number: int) -> TextClause:
    """The rows of the view `trials` of a round; by their ids, so that no others are read."""
    own = "SELECT id FROM candidate WHERE run_id = :run AND round = :round"
    ids = f"SELECT id FROM trial WHERE run_id = :run AND candidate_id = ({own})"
    return text(f"SELECT * FROM trials WHERE id IN ({ids}) ORDER BY id").bindparams(run=run, round=number)


def task_scores(run: str, task_name: str) -> Query:
    """Of each candidate with trials at a task that count: `round`, `commit_sha`, `trials`, `passes`, `mean_reward`.

    By candidate, task and outcome, so that the index on them is used.
    """
    counts = text("trial.outcome <> 'infra_error'")
    passes = func.sum(case((trial.c.outcome == Outcome.PASSED.value, 1), else_=0))
    figures = (func.count().label("trials"), passes.label("passes"), func.avg(trial.c.reward).label("mean_reward"))
    same = and_(trial.c.candidate_id == candidate.c.id, trial.c.task == task_name, counts)
    query = select(candidate.c.round, candidate.c.commit_sha, *figures).join(trial, same)
    columns = (candidate.c.round, candidate.c.commit_sha)
    return query.where(candidate.c.run_id == run).group_by(*columns).order_by(candidate.c.round)


def round_scores(run: str, rounds: Rounds = ALL, after: int | None = None) -> Query:
    """Of each candidate of the rounds and each split with trials that count: `round`, `split`, `trials`, `mean_reward`.

    The mean is over tasks. after: only candidates with trials whose ids are above this one.
    """
    chosen = select(candidate.c.id).where(candidate.c.run_id == run, rounds.have(candidate.c.round))
    if after is not None:
        chosen = chosen.where(candidate.c.id.in_(select(trial.c.candidate_id).where(trial.c.id > after)))
    keys = (trial.c.candidate_id, trial.c.split, trial.c.task)
    means = select(*keys, func.avg(trial.c.reward).label("mean"), func.count().label("trials"))
    means = means.where(trial.c.candidate_id.in_(chosen), text("trial.outcome <> 'infra_error'")).group_by(*keys)
    by_task = means.subquery()
    figures = (func.sum(by_task.c.trials).label("trials"), func.avg(by_task.c.mean).label("mean_reward"))
    query = select(candidate.c.round, by_task.c.split, *figures)
    query = query.join(by_task, by_task.c.candidate_id == candidate.c.id)
    return query.group_by(candidate.c.round, by_task.c.split).order_by(candidate.c.round, by_task.c.split)


def trials_up_to(run: str, last: int) -> Query:
    """The number of the run's trials with ids up to this one."""
    return select(func.count()).select_from(trial).where(trial.c.run_id == run, trial.c.id <= last)


def trials_between(run: str, after: int, last: int) -> Query:
    """The number of those with ids above `after` and up to `last`, which the ids find."""
    return select(func.count()).select_from(trial).where(trial.c.id > after, trial.c.id <= last, _of_run(run))


def last_trial(run: str) -> Query:
    return select(func.coalesce(func.max(trial.c.id), 0)).where(_of_run(run))


def _of_run(run: str) -> Any:
    """The condition that a trial is a run's, without the index on runs: for the newest rows, which the id finds."""
    return trial.c.run_id.concat("") == run


def trial_key(number: int) -> Query:
    """What no other trial than the one with this id has: run, candidate, task, attempt and beginning."""
    columns = (trial.c[name] for name in ("run_id", "candidate_id", "task", "attempt", "seed", "started_at"))
    return select(*columns).where(trial.c.id == number)


def ungraded(run: str) -> Query:
    """Trials whose state was kept, like `trials`."""
    return trials(run).where(trial.c.state_path.is_not(None))


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


def spent_on_trials(run: str, after: int, dialect: str) -> Query:
    """The run's sums of SUMMED over trials with ids above `after`, and `last`, the highest id of any trial.

    The id is the only condition, so that the database reads only the new rows.
    """
    sums = [_sum(trial.c[name], dialect, trial.c.run_id == run).label(name) for name in SUMMED]
    return select(func.max(trial.c.id).label("last"), *sums).where(trial.c.id > after)


def spent_beside(run: str, dialect: str) -> CompoundSelect[Any]:
    """The sums of SPENT and CACHED: one row each for proposals, lessons, losses, checks of endpoints and gradings."""
    return union_all(
        *(
            select(*(_sum(table.c[name], dialect).label(name) for name in (*SPENT, *CACHED))).where(
                table.c.run_id == run
            )
            for table in (proposal, lesson, loss, preflight, grading)
        )
    )


def _sum(column: Any, dialect: str, *conditions: Any) -> Any:
    """The sum of a column's plausible values. SQLite's `total` never overflows, and is faster than our own `sum`."""
    sums = func.total if dialect == "sqlite" else func.sum
    counted = and_(column.between(0, MOST_SPENT), *conditions)
    total = func.coalesce(sums(case((counted, column), else_=0)), 0)
    return total if isinstance(column.type, Double) else cast(total, BigInteger)


def predictions(run: str, rounds: AnyRounds) -> Query:
    """Predictions of the rounds, sorted by round, kind and task."""
    columns = (prediction.c.round, prediction.c.kind, prediction.c.task)
    return select(*columns).where(prediction.c.run_id == run, rounds.have(prediction.c.round)).order_by(*columns)


def lessons(run: str, after: int) -> Query:
    return select(lesson).where(lesson.c.run_id == run, lesson.c.round > after).order_by(lesson.c.round)


def newest_lesson(run: str) -> Query:
    return select(func.coalesce(func.max(lesson.c.round), 0)).where(lesson.c.run_id == run)


def task_cells(run: str, rounds: Sequence[int]) -> Query:
    """By round and task of these rounds' candidates: trials that count, those passed, mean reward, and faults."""
    counts = trial.c.outcome != Outcome.INFRA_ERROR.value
    passed = trial.c.outcome == Outcome.PASSED.value
    failed = and_(trial.c.outcome == Outcome.INFRA_ERROR.value, trial.c.fault != Fault.CAP.value)
    chosen = select(candidate.c.id).where(candidate.c.run_id == run, candidate.c.round.in_(rounds))
    return (
        select(
            candidate.c.round,
            trial.c.task,
            func.count(case((counts, 1))).label("trials"),
            func.count(case((passed, 1))).label("passes"),
            func.avg(trial.c.reward).label("reward"),
            func.count(case((failed, 1))).label("infra_errors"),
        )
        .join(candidate, candidate.c.id == trial.c.candidate_id)
        .where(trial.c.run_id == run, trial.c.candidate_id.in_(chosen))
        .group_by(candidate.c.round, trial.c.task)
        .order_by(candidate.c.round, trial.c.task)
    )


def endings(run: str, first: int, last: int) -> Query:
    """How many trials of the candidates of these rounds ended alike, with the sum of their seconds."""
    alike = (candidate.c.round, trial.c.outcome, trial.c.cause, trial.c.fault)
    chosen = select(candidate.c.id).where(candidate.c.run_id == run, candidate.c.round.between(first, last))
    return (
        select(*alike, func.count().label("trials"), func.sum(trial.c.seconds).label("seconds"))
        .join(candidate, candidate.c.id == trial.c.candidate_id)
        .where(trial.c.run_id == run, trial.c.candidate_id.in_(chosen))
        .group_by(*alike)
        .order_by(*alike)
    )


def view(name: str, run: str | None, number: int | None = None) -> TextClause:
    """The rows of a view in order; `name` is one of VIEWS."""
    given = {key: value for key, value in (("run", run), ("round", number)) if value is not None}
    where = " AND ".join(f"{key} = :{key}" for key in given)
    query = f"SELECT * FROM {name} WHERE {where}" if where else f"SELECT * FROM {name}"
    return text(f"{query} ORDER BY {', '.join(VIEWS[name])}").bindparams(**given)


def history(run: str, first: int, last: int, figures: bool) -> TextClause:
    """The rows of the view `history` of round 0 and the rounds `first` to `last`; only their trials are read.

    figures: otherwise no trial is read, and what trials show is empty.
    """
    wanted = "(round = 0 OR round BETWEEN :first AND :last)"
    own = f"SELECT id FROM candidate WHERE run_id = :run AND {wanted if figures else 'round < 0'}"
    # The run too, so that the index on both is used.
    chosen = f"(SELECT * FROM trial WHERE run_id = :run AND candidate_id IN ({own}))"
    _, _, body = _history_sql().partition("CREATE VIEW history AS")
    whole = re.sub(r"trial /\*chosen\*/( AS t)?", lambda match: f"{chosen} AS t", body)
    # The view has no mark where it reads the times, so the places are named by their words.
    for moments_of, number in (("AS at FROM round", "number"), ("decided_at FROM decision", "round")):
        whole = whole.replace(moments_of, f"{moments_of} WHERE run_id = :run AND {wanted.replace('round', number)}")
    query = f"SELECT * FROM ({whole}) AS h WHERE run = :run AND {wanted}"
    return text(f"{query} ORDER BY round").bindparams(run=run, first=first, last=last)


@functools.cache
def _history_sql() -> str:
    return (Path(__file__).parent / "migrations" / "versions" / HISTORY_FILE).read_text(encoding="utf-8")


def scores(run: str) -> Query:
    """What scores are made of: `commit_sha` and the columns of SCORED, in the order of the trials' rows."""
    columns = (trial.c[name] for name in SCORED)
    query = select(candidate.c.commit_sha, *columns).join(candidate, candidate.c.id == trial.c.candidate_id)
    return query.where(trial.c.run_id == run).order_by(trial.c.id)


def scores_of(run: str, commits: Iterable[str]) -> Query:
    """Those of some candidates; by the candidates' keys, so that the index on them is used."""
    chosen = select(candidate.c.id).where(candidate.c.run_id == run, candidate.c.commit_sha.in_(list(commits)))
    return scores(run).where(trial.c.candidate_id.in_(chosen))


def scores_of_rounds(run: str, rounds: Rounds) -> Query:
    """Those of round 0, of the rounds and of their parents."""
    wanted = (candidate.c.run_id == run) & rounds.have(candidate.c.round)
    own = select(candidate.c.id).where((candidate.c.run_id == run) & candidate.c.round.in_((0,)) | wanted)
    parents = select(candidate.c.parent_id).where(wanted)
    return scores(run).where(trial.c.candidate_id.in_(union(own, parents)))


def newest_round(run: str) -> Query:
    return select(func.coalesce(func.max(round_.c.number), 0)).where(round_.c.run_id == run)


def wasted(run: str, dialect: str) -> CompoundSelect[Any]:
    """The sums of TRIED_AGAIN: one row for each kind of work."""
    tables = (trial, proposal, lesson, preflight, grading)
    return union_all(
        *(
            select(*(_sum(table.c[name], dialect).label(name) for name in TRIED_AGAIN)).where(table.c.run_id == run)
            for table in tables
        )
    )


def failed_trials(run: str) -> Query:
    """The infrastructure errors, like `trials`."""
    return trials(run).where(text("trial.outcome = 'infra_error'"))


def graded_slots(run: str) -> Query:
    """The attempts (`commit_sha`, `task`, `attempt`) with an infrastructure error and a trial that counts."""
    failed = trial.alias("failed")
    same = and_(*(failed.c[name] == trial.c[name] for name in ("candidate_id", "task", "attempt")))
    query = select(candidate.c.commit_sha, trial.c.task, trial.c.attempt).select_from(failed)
    query = query.join(trial, same & text("trial.outcome <> 'infra_error'"))
    query = query.join(candidate, candidate.c.id == trial.c.candidate_id)
    return query.where(failed.c.run_id == run, text("failed.outcome = 'infra_error'")).distinct()


def trial_groups(run: str, after: int) -> Query:
    """How many trials with ids above `after` are alike in what the validity and the epochs of a run rest on."""
    counts = case((trial.c.outcome == Outcome.INFRA_ERROR.value, 0), else_=1).label("counts")
    recorded = case((trial.c.recording_path.is_(None), 0), else_=1).label("recorded")
    conditions = (trial_condition.c[name] for name in ("endpoint_models", "fingerprints", "base_image", "task_image"))
    columns = (counts, recorded, trial.c.verifier, trial.c.task, *conditions)
    query = select(*columns, func.count().label("count")).select_from(trial)
    query = query.outerjoin(trial_condition, trial_condition.c.trial_id == trial.c.id)
    return query.where(trial.c.id > after, _of_run(run)).group_by(*columns)


def conditioned_trials(run: str | None = None) -> Query:
    """The candidate (`commit_sha`), task and conditions of each trial, in the order in which they were written."""
    query = select(candidate.c.commit_sha, trial.c.task, *(trial_condition.c[name] for name in CONDITION))
    query = query.select_from(trial).join(candidate, candidate.c.id == trial.c.candidate_id)
    query = query.outerjoin(trial_condition, trial_condition.c.trial_id == trial.c.id)
    query = query.order_by(trial.c.id)
    return query if run is None else query.where(trial.c.run_id == run)


def latest_conditions(run: str, most: int) -> Query:
    """The same of the last ones, as in `latest_trials`."""
    return _latest(conditioned_trials(), run, most)


def recordings(run: str) -> Query:
    """The paths of the recordings of trials that count."""
    counts = trial.c.outcome != Outcome.INFRA_ERROR.value
    return select(trial.c.recording_path).where(trial.c.run_id == run, counts, trial.c.recording_path.is_not(None))


def trial_files(run: str) -> CompoundSelect[Any]:
    """Each file of the run's trials (`path`, `sha256`), with the beginning and the outcome of its trial."""
    graded = grading.join(trial, trial.c.id == grading.c.trial_id)
    kinds: list[tuple[Table, str, Any]] = [(trial, "trajectory", trial), (trial, "recording", trial)]
    kinds += [(grading, "recording", graded), (trial, "state", trial)]
    return union_all(*(_files_of(run, table, kind, source) for table, kind, source in kinds))


def _files_of(run: str, table: Table, kind: str, source: Any) -> Query:
    path, digest = table.c[f"{kind}_path"], table.c[f"{kind}_sha256"]
    columns = (literal(kind).label("kind"), path.label("path"), digest.label("sha256"))
    query = select(*columns, trial.c.started_at, trial.c.outcome).select_from(source)
    return query.where(trial.c.run_id == run, path.is_not(None))
