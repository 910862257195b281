"""Store and read the rows of runs. Every call is one transaction; no row is ever changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, CursorResult, Engine, Executable, Table, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from evolve.core.errors import BadInput, EvolveError
from evolve.core.records import (
    Candidate,
    Decision,
    FileEdit,
    Lesson,
    Proposal,
    Split,
    Task,
    TrialCondition,
    TrialResult,
    Usage,
    VerifierMode,
)
from evolve.core.text import storable_text
from evolve.store import convert, paging, queries, schema
from evolve.store.database import database_error, database_url, driver_message, open_engine, write_engine
from evolve.store.paging import Page, RoundFilter, TrialFilter
from evolve.store.queries import AnyRounds, Rounds, SomeRounds
from evolve.store.reading import Row, read_rows
from evolve.store.rows import (
    ConditionedTrial,
    DatedFile,
    EndRow,
    LookRow,
    LossRow,
    Milestone,
    PairedReward,
    PreflightRow,
    Regrade,
    RoundMark,
    RoundOutline,
    RoundRow,
    RoundScore,
    RunRow,
    SessionRow,
    TaskRow,
    TaskScore,
    TrialScore,
)
from evolve.store.views import VIEWS

Record = TypeVar("Record")
REMEMBERED_CANDIDATES = 8


class Store:
    """A database of runs. Times (`at`) are ISO-8601 text in UTC.

    Writes raise EvolveError if a row exists already or contradicts another one, and InfraError if the database can't
    be written. Reads see only complete transactions, even while another process writes.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = write_engine(engine)
        # Caches what can't change any more, so that reads stay fast in a long run: by run, the decided rounds at the
        # start, and what the trials up to some id spent, and how many they are.
        self._decided: dict[str, list[RoundRow]] = {}
        self._spent: dict[str, tuple[int, Usage]] = {}
        self._counted: dict[str, tuple[int, int]] = {}
        # The row ids of candidates that trials were stored of.
        self._keys: dict[tuple[str, str], int] = {}
        # Of the candidates that were asked for last: the trials up to some id.
        self._trials: dict[tuple[str, str], tuple[int, list[TrialResult]]] = {}

    @classmethod
    def open(cls, where: str | Path) -> Self:
        """Open or create the database at a path (SQLite) or URL, and update its schema.

        Raises:
            BadInput: The file or URL is not a database.
            InfraError: The database can't be reached.
        """
        return cls(open_engine(database_url(where)))

    @staticmethod
    def exists(where: str | Path) -> bool:
        """Whether the database exists; assumed for a database server."""
        url = database_url(where)
        return url.get_backend_name() != "sqlite" or Path(str(url.database)).is_file()

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Writing

    def create_run(self, row: RunRow, tasks: Iterable[Task] = (), excluded: Mapping[str, str] | None = None) -> None:
        """Store a run with its tasks. excluded: why the run does without some of them, by name."""
        with self._write() as connection:
            connection.execute(insert(schema.run), asdict(row))
            _insert_tasks(connection, row.id, tasks, excluded or {})

    def add_tasks(self, run: str, tasks: Iterable[Task]) -> None:
        """Store more tasks of a run."""
        with self._write() as connection:
            _insert_tasks(connection, run, tasks, {})

    def start_session(self, run: str, row: SessionRow) -> int:
        """Store a session and return its id."""
        values = {key: value for key, value in asdict(row).items() if key != "id"}
        with self._write() as connection:
            return _add_numbered(connection, schema.session, run_id=run, **values)

    def add_preflight(self, run: str, session: int, row: PreflightRow) -> None:
        """Store what a session found out about an endpoint, and what that cost."""
        with self._write() as connection:
            _add(connection, schema.preflight, run_id=run, session_id=session, **convert.preflight_values(row))

    def add_losses(self, run: str, session: int, spent: Mapping[str, Usage], at: str) -> None:
        """Store what a session spent on work without a row, by kind of work. Does nothing the second time."""
        if any(loss.session == session for loss in self.losses(run)):
            return
        with self._write() as connection:
            for what, usage in spent.items():
                values = {"session_id": session, "noticed_at": at, **convert.loss_values(what, usage)}
                _add(connection, schema.loss, run_id=run, **values)

    def start_race(self, run: str, numbers: Sequence[int], parent: Candidate | None, at: str) -> None:
        """Store the start of rounds whose candidates all patch this parent (None for round 0 only)."""
        race = numbers[0] if len(numbers) > 1 else None
        with self._write() as connection:
            parent_round = parent and _candidate_key(connection, run, parent.commit)[1]
            values = {"run_id": run, "parent_round": parent_round, "started_at": at, "race": race}
            for number in numbers:
                _add(connection, schema.round_, number=number, **values)

    def add_candidate(self, run: str, candidate: Candidate) -> None:
        """Store a round's candidate."""
        with self._write() as connection:
            _add(
                connection,
                schema.candidate,
                run_id=run,
                round=candidate.round,
                commit_sha=candidate.commit,
                parent_id=candidate.parent and _candidate_key(connection, run, candidate.parent)[0],
                branch=candidate.branch,
            )

    def add_proposal(
        self, run: str, round_number: int, proposal: Proposal, prompt_sha256: str, model: str, at: str
    ) -> None:
        """Store a round's proposal with its predictions."""
        with self._write() as connection:
            _add(
                connection,
                schema.proposal,
                run_id=run,
                round=round_number,
                prompt_sha256=prompt_sha256,
                model=model,
                created_at=at,
                **convert.proposal_values(proposal),
            )
            for values in convert.prediction_values(proposal):
                _add(connection, schema.prediction, run_id=run, round=round_number, **values)

    def add_lesson(self, run: str, lesson: Lesson, prompt_sha256: str, model: str, at: str) -> None:
        """Store a round's lesson."""
        with self._write() as connection:
            values = convert.lesson_values(lesson)
            origin = {"prompt_sha256": prompt_sha256, "model": model, "created_at": at}
            _add(connection, schema.lesson, run_id=run, **origin, **values)

    def add_decision(self, run: str, round_number: int, decision: Decision, at: str) -> None:
        """Store a round's decision."""
        with self._write() as connection:
            values = convert.decision_values(decision)
            _add(connection, schema.decision, run_id=run, round=round_number, decided_at=at, **values)

    def add_trial(self, run: str, result: TrialResult, condition: TrialCondition | None = None) -> None:
        """Store one finished trial. At most one row of an attempt counts, besides any number of infra errors.

        condition: what to store in place of the result's own.
        """
        with self._write() as connection:
            if (run, result.candidate) not in self._keys:
                self._keys[run, result.candidate] = _candidate_key(connection, run, result.candidate)[0]
            key, values = self._keys[run, result.candidate], convert.trial_values(result)
            number = _add_numbered(connection, schema.trial, run_id=run, candidate_id=key, **values)
            if condition := condition or result.condition:
                _add(connection, schema.trial_condition, trial_id=number, **convert.condition_values(condition))
            if result.grading:
                _add(connection, schema.grading, run_id=run, trial_id=number, **convert.grading_values(result.grading))

    def add_regrade(self, run: str, regrade: Regrade) -> None:
        """Store one more grading of a kept state; the row of its trial stays as it is."""
        with self._write() as connection:
            values = {"run_id": run, "trial_id": regrade.trial}
            number = _add_numbered(connection, schema.regrade, **values, **convert.regrade_values(regrade))
            if regrade.grading:
                values |= {"regrade_id": number, **convert.grading_values(regrade.grading)}
                _add(connection, schema.grading, **values)

    def add_holdout_look(self, run: str, commit: str, why: str, at: str) -> None:
        """Store that a commit was scored on the holdout."""
        with self._write() as connection:
            key, _ = _candidate_key(connection, run, commit)
            _add(connection, schema.holdout_look, run_id=run, candidate_id=key, why=why, looked_at=at)

    def end_run(self, run: str, reason: str, at: str) -> None:
        """Store an end of the run."""
        with self._write() as connection:
            _add(connection, schema.run_end, run_id=run, reason=reason, ended_at=at)

    # Reading

    def run(self, run: str) -> RunRow | None:
        """Return the run; None if there is none of this id."""
        rows = self._rows(select(schema.run).where(schema.run.c.id == run))
        return read_rows(rows[:1], _run_row)[0] if rows else None

    def runs(self) -> list[RunRow]:
        """Return all runs, newest first."""
        return read_rows(self._rows(queries.runs(self._engine.dialect.name)), _run_row)

    def tasks(self, run: str) -> list[TaskRow]:
        """Return the run's tasks, sorted by name."""
        return read_rows(self._rows(queries.tasks(run)), convert.task_from)

    def candidates(self, run: str) -> list[Candidate]:
        """Return the run's candidates, in the order of their rounds."""
        return read_rows(self._rows(queries.candidates(run)), convert.candidate_from)

    def seed(self, run: str) -> Candidate:
        """Return the candidate of round 0. Raises LookupError if there is none yet."""
        rows = self._rows(queries.candidates(run).where(schema.candidate.c.round == 0))
        if not rows:
            raise LookupError(f"run {run} has no seed scaffold yet")
        return read_rows(rows, convert.candidate_from)[0]

    def champion(self, run: str) -> Candidate:
        """Return the candidate kept or promoted last, or the baseline. Raises LookupError if that is undecided."""
        rows = self._rows(queries.champion(run))
        if not rows:
            raise LookupError(f"run {run} has no champion before its baseline is decided")
        return read_rows(rows, convert.candidate_from)[0]

    def trials(self, run: str, commit: str | None = None) -> list[TrialResult]:
        """Return the trials of the run or of one candidate, in the order in which they were written."""
        if commit is None:
            return read_rows(self._rows(queries.trials(run)), convert.trial_from)
        last, known = self._trials.pop((run, commit), (0, []))
        rows = self._rows(queries.trials_of(run, commit, last))
        trials = [*known, *read_rows(rows, convert.trial_from)]
        self._trials[run, commit] = (rows[-1]["id"] if rows else last, trials)
        while len(self._trials) > REMEMBERED_CANDIDATES:
            self._trials.pop(next(iter(self._trials)))
        return [*trials]

    def counted_slots(self, run: str, commit: str, first: int, last: int) -> set[tuple[str, int]]:
        """Return the tasks and attempts, from `first` to `last`, on which a candidate has a trial that counts."""
        with self._read() as connection:
            return {
                (row.task, row.attempt) for row in connection.execute(queries.counted_slots(run, commit, first, last))
            }

    def latest_trials(self, run: str, most: int) -> list[TrialResult]:
        """Return at most so many of the run's trials, those that were written last, in the order of their writing."""
        return read_rows(self._rows(queries.latest_trials(run, most)), convert.trial_from)

    def kept_states(self, run: str) -> dict[int, TrialResult]:
        """Return the trials whose state was kept, by the id of the row, in the order in which they were written."""
        rows = self._rows(queries.ungraded(run))
        return dict(read_rows(rows, lambda row: (row["id"], convert.trial_from(row))))

    def regrades(self, run: str) -> list[Regrade]:
        """Return the further gradings of the run's kept states, in order."""
        return read_rows(self._rows(queries.regrades(run)), convert.regrade_from)

    def rounds(self, run: str) -> list[RoundRow]:
        """Return all rounds in order, including undecided ones."""
        brief = self.rounds_in_brief(run)
        edits = dict(read_rows(self._rows(queries.edits(run)), lambda row: (row["round"], convert.edits_from(row))))
        whole = (row.proposal and replace(row.proposal, edits=edits[row.number]) for row in brief)
        return [replace(row, proposal=proposal) for row, proposal in zip(brief, whole, strict=True)]

    def rounds_in_brief(self, run: str) -> list[RoundRow]:
        """Return all rounds in order; the proposals of those that are decided have no edits.

        Edits are most of what is stored of a round, and of no use for most readers. Decided rounds are read only once.
        """
        decided = self._decided.setdefault(run, [])
        known = list(decided)
        fresh = self._rounds_after(run, known)
        for row in fresh:
            if row.decision is None or row.number != len(decided):
                break
            decided.append(row)
        return known + fresh

    def rounds_between(self, run: str, first: int, last: int) -> list[RoundRow]:
        """Return the rounds `first` to `last` in order, like `rounds_in_brief`, without reading the others."""
        return self._read_rounds(run, Rounds(first, last), ())

    def some_rounds(self, run: str, numbers: Iterable[int]) -> list[RoundRow]:
        """Return the rounds with these numbers in order, like `rounds_between`."""
        return self._read_rounds(run, SomeRounds(tuple(sorted(numbers))), ())

    def latest_rounds(self, run: str, most: int) -> list[RoundRow]:
        """Return at most so many rounds, the newest, in order, like `rounds_between`."""
        newest = self.newest_round(run)
        return self.rounds_between(run, max(newest - most + 1, 0), newest)

    def round_marks(self, run: str, first: int = 0) -> list[RoundMark]:
        """Return what of the rounds from `first` on their standing depends on, in order."""
        with self._read() as connection:
            return [RoundMark._make(row) for row in connection.execute(queries.round_marks(run, first)).fetchall()]

    def round_outlines(self, run: str, first: int = 1) -> list[RoundOutline]:
        """Return the outlines of the decided rounds from `first` on but null copies, in order."""
        return read_rows(self._rows(queries.round_outlines(run, first)), convert.round_outline_from)

    def newest_outline(self, run: str) -> int | None:
        """Return the number of the last of these rounds; None without any."""
        with self._read() as connection:
            number: int | None = connection.execute(queries.newest_outline(run)).scalar_one()
        return number

    def decision(self, run: str, number: int) -> Decision | None:
        """Return the decision on a round; None if there is none yet."""
        rows = read_rows(self._rows(queries.decision_of(run, number)), convert.decision_from)
        return rows[0] if rows else None

    def decisions(self, run: str) -> dict[int, Decision]:
        """Return all decisions by round, in order."""
        with self._read() as connection:
            decisions = _by_round(connection, queries.of_rounds(schema.decision, run, Rounds()), convert.decision_from)
        return dict(sorted(decisions.items()))

    def ablated(self, run: str, first: int = 0) -> set[int]:
        """Return the rounds whose patches were left out by the rounds from `first` on."""
        with self._read() as connection:
            return set(connection.execute(queries.ablated(run, first)).scalars())

    def line(self, run: str, commit: str) -> list[RoundRow]:
        """Return the rounds of a candidate and of all that it descends from, in order."""
        with self._read() as connection:
            numbers = list(connection.execute(queries.line(run, commit)).scalars())
        return self.some_rounds(run, numbers)

    def first_conversation(self, run: str) -> int | None:
        """Return the first round whose proposal's conversation was kept; None if there is none."""
        with self._read() as connection:
            number: int | None = connection.execute(queries.first_conversation(run)).scalar_one_or_none()
        return number

    def paired_rewards(self, run: str, commit: str, parent: str, split: Split) -> list[PairedReward]:
        """Return a candidate's rewards on a split, each with that of another candidate on the same attempt."""
        return read_rows(
            self._rows(queries.paired_rewards(run, commit, parent, split.value)), convert.paired_reward_from
        )

    def decided_count(self, run: str) -> int:
        """Return how many rounds of the run are decided, round 0 included."""
        with self._read() as connection:
            return int(connection.execute(queries.decided_count(run)).scalar_one())

    def open_rounds(self, run: str) -> list[RoundRow]:
        """Return the rounds without a decision, in order, without reading the others."""
        with self._read() as connection:
            numbers = list(connection.execute(queries.open_rounds(run)).scalars())
        rounds = self.rounds_between(run, numbers[0], numbers[-1]) if numbers else []
        return [row for row in rounds if row.decision is None]

    def first_open(self, run: str, first: int = 0) -> int | None:
        """Return the first round from `first` on without a decision; None if all are decided."""
        with self._read() as connection:
            number: int | None = connection.execute(queries.first_open(run, first)).scalar_one()
        return number

    def milestones(self, run: str) -> list[Milestone]:
        """Return the decided rounds, in order, that may have moved champion or tip, or that judged a null copy."""
        with self._read() as connection:
            candidates = _by_round(connection, queries.candidates_of_milestones(run), convert.candidate_from)
            decisions = _by_round(connection, queries.milestones(run), convert.decision_from)
        return [Milestone(number, candidates.get(number), decision) for number, decision in decisions.items()]

    def _rounds_after(self, run: str, known: Sequence[RoundRow]) -> list[RoundRow]:
        """Read the rounds after the known ones, which are the rounds 0, 1, 2 and so on."""
        return self._read_rounds(run, Rounds(len(known)), known)

    def _read_rounds(self, run: str, rounds: AnyRounds, known: Sequence[RoundRow]) -> list[RoundRow]:
        """Read rounds. known: all earlier ones; whoever gives none has the parents read too."""
        with self._read() as connection:
            started = read_rows(_mappings(connection.execute(queries.rounds(run, rounds))), dict)
            earlier = {} if known else _by_round(connection, queries.parents(run, rounds), convert.candidate_from)
            candidates = _by_round(connection, queries.candidates(run, rounds), convert.candidate_from)
            proposals = _by_round(connection, queries.proposals(run, rounds), convert.proposal_from)
            decisions = _by_round(connection, queries.of_rounds(schema.decision, run, rounds), convert.decision_from)
            predicted = _predicted(connection, run, rounds)

        for number, proposal in proposals.items():
            fixes, breaks = (tuple(predicted[number, kind]) for kind in convert.KINDS)
            proposals[number] = replace(proposal, fixes=fixes, breaks=breaks)

        def candidate(number: int | None) -> Candidate | None:
            if number is None:
                return None
            return known[number].candidate if number < len(known) else candidates.get(number) or earlier.get(number)

        return [
            RoundRow(
                number=row["number"],
                parent=candidate(row["parent_round"]),
                started_at=row["started_at"],
                candidate=candidate(row["number"]),
                proposal=proposals.get(row["number"]),
                decision=decisions.get(row["number"]),
                race=row["number"] if row["race"] is None else row["race"],
            )
            for row in started
        ]

    def edits(self, run: str, number: int) -> tuple[FileEdit, ...]:
        """Return the edits of a round's proposal; none if it has no proposal."""
        rows = read_rows(self._rows(queries.edits(run, number)), convert.edits_from)
        return rows[0] if rows else ()

    def lessons(self, run: str, after: int = -1) -> list[Lesson]:
        """Return the lessons of rounds above `after`, in the order of their rounds."""
        return read_rows(self._rows(queries.lessons(run, after)), convert.lesson_from)

    def lesson(self, run: str, number: int) -> Lesson | None:
        """Return the lesson of a round; None if it has none."""
        rows = read_rows(self._rows(queries.of_rounds(schema.lesson, run, Rounds(number, number))), convert.lesson_from)
        return rows[0] if rows else None

    def holdout_looks(self, run: str) -> list[LookRow]:
        """Return the run's uses of the holdout, in order."""
        return read_rows(self._rows(queries.looks(run)), lambda row: LookRow(**row))

    def looks_at_suite(self, digest: str) -> list[LookRow]:
        """Return the uses of the holdout of the suite with this digest, by all runs, in order."""
        return read_rows(self._rows(queries.looks_at_suite(digest)), lambda row: LookRow(**row))

    def decision_times(self, run: str) -> dict[int, str]:
        """Return when the run's rounds were decided, by number."""
        return dict(read_rows(self._rows(queries.decision_times(run)), lambda row: (row["round"], row["decided_at"])))

    def ends(self, run: str) -> list[EndRow]:
        """Return the run's ends, in order."""
        return read_rows(self._rows(queries.ends(run)), lambda row: EndRow(**row))

    def sessions(self, run: str) -> list[SessionRow]:
        """Return the run's sessions, in order."""
        return read_rows(self._rows(queries.sessions(run)), lambda row: SessionRow(**row))

    def losses(self, run: str) -> list[LossRow]:
        """Return the run's losses, in the order in which they were noticed."""
        return read_rows(self._rows(queries.losses(run)), convert.loss_from)

    def preflights(self, run: str) -> list[PreflightRow]:
        """Return the checks of endpoints before the run's trials, in order."""
        return read_rows(self._rows(queries.preflights(run)), convert.preflight_from)

    def conditions(self, run: str) -> list[TrialCondition]:
        """Return the conditions of the run's trials, in the order of the trials; not all trials have any."""
        conditions = read_rows(self._rows(queries.conditions(run)), convert.condition_from)
        return [condition for condition in conditions if condition]

    def newest_lesson(self, run: str) -> int:
        """Return the highest round with a lesson; 0 if there is none."""
        with self._read() as connection:
            return int(connection.execute(queries.newest_lesson(run)).scalar_one())

    def trial_count(self, run: str, up_to: int | None = None) -> int:
        """Return the number of the run's trials, including infrastructure errors; of those with ids up to this one."""
        last, count = self._counted.get(run, (0, 0))
        newest = self.last_trial(run)
        # The first time from an index on runs, later by the ids of the new rows alone.
        count += self._count(queries.trials_between(run, last, newest) if last else queries.trials_up_to(run, newest))
        self._counted[run] = (newest, count)
        if up_to is None or up_to >= newest:
            return count
        return count - self._count(queries.trials_between(run, up_to, newest))

    def _count(self, query: Executable) -> int:
        with self._read() as connection:
            return int(connection.execute(query).scalar_one())

    def last_trial(self, run: str) -> int:
        """Return the highest id of the run's trials; 0 without any."""
        with self._read() as connection:
            return int(connection.execute(queries.last_trial(run)).scalar_one())

    def moments(self, run: str) -> list[tuple[str, float]]:
        """Return when something of the run was stored, or began and how many seconds it took; in no order."""
        return read_rows(self._rows(queries.moments(run)), lambda row: (row["at"], row["seconds"]))

    def spent(self, run: str) -> Usage:
        """Return all that the run has spent: trials (with infrastructure errors) and all else that cost anything.

        Answers that trials took over cost nothing.
        """
        _, total = self.spent_on_trials(run)
        with self._read() as connection:
            others = connection.execute(queries.spent_beside(run, self._engine.dialect.name)).mappings().all()
        return sum((Usage(**row) for row in others), total.paid)

    def spent_on_trials(self, run: str, known: tuple[int, Usage] = (0, Usage())) -> tuple[int, Usage]:
        """Return what the run's trials took, answers that they took over included, up to the highest id of a trial.

        known: the same up to an earlier id, which need not be read again.
        """
        last, total = max(self._spent.get(run, known), known, key=lambda one: one[0])
        newest, new = self.spent_after(run, last)
        self._spent[run] = (newest or last, total + new)
        return self._spent[run]

    def spent_after(self, run: str, last: int) -> tuple[int, Usage]:
        """Return the highest id of a trial above `last`, 0 without one, and what the run's trials above it took."""
        with self._read() as connection:
            query = queries.spent_on_trials(run, last, self._engine.dialect.name)
            new = connection.execute(query).mappings().one()
        return new["last"] or 0, Usage(**{name: new[name] for name in queries.SUMMED})

    def view(self, name: str, run: str | None = None, number: int | None = None) -> list[dict[str, Any]]:
        """Return a view's rows in order, of one run or of all, of one round or of all.

        Raises:
            BadInput: There is no such view.
        """
        if name not in VIEWS:
            raise BadInput(name, "is not a view", f"use one of {', '.join(VIEWS)}")
        return read_rows(self._rows(queries.view(name, run, number)), dict)

    def history(self, run: str, first: int, last: int, figures: bool = True) -> list[dict[str, Any]]:
        """Return the rows of the view `history` for round 0 and the rounds `first` to `last`, in order.

        figures: otherwise what only trials show is left out, and none is read.
        """
        return read_rows(self._rows(queries.history(run, first, last, figures)), dict)

    def scores(self, run: str, commits: Iterable[str]) -> list[TrialScore]:
        """Return what the scores of some candidates are made of, in the order in which the trials were written."""
        return read_rows(self._rows(queries.scores_of(run, commits)), convert.trial_score_from)

    def scores_of_rounds(self, run: str, first: int, last: int) -> list[TrialScore]:
        """Return the same of round 0, of the rounds `first` to `last`, and of their parents."""
        return read_rows(self._rows(queries.scores_of_rounds(run, Rounds(first, last))), convert.trial_score_from)

    def task_cells(self, run: str, rounds: Sequence[int]) -> list[dict[str, Any]]:
        """Return what the trials of these rounds' candidates show, by round and task.

        Each row has `trials` that count, `passes`, their mean `reward` (None without any) and `infra_errors`.
        """
        return read_rows(self._rows(queries.task_cells(run, rounds)), dict)

    def endings(self, run: str, first: int, last: int) -> list[dict[str, Any]]:
        """Return how many trials of the candidates of the rounds `first` to `last` ended alike, and their seconds."""
        return read_rows(self._rows(queries.endings(run, first, last)), dict)

    def failed_trials(self, run: str) -> list[TrialResult]:
        """Return the run's infrastructure errors, as they were written."""
        return read_rows(self._rows(queries.failed_trials(run)), convert.trial_from)

    def graded_slots(self, run: str) -> set[tuple[str, str, int]]:
        """Return the attempts (commit, task, number) that have an infrastructure error and a trial that counts."""
        rows = self._rows(queries.graded_slots(run))
        return set(read_rows(rows, lambda row: (row["commit_sha"], row["task"], row["attempt"])))

    def trial_rows(self, run: str, number: int) -> list[dict[str, Any]]:
        """Return the rows of the view `trials` of a round, in order, without reading others."""
        return read_rows(self._rows(queries.trial_rows(run, number)), dict)

    def task_scores(self, run: str, task: str) -> list[TaskScore]:
        """Return how each candidate did at a task, in the order of their rounds; those without a trial are left out."""
        return read_rows(self._rows(queries.task_scores(run, task)), convert.task_score_from)

    def round_scores(self, run: str, first: int, last: int) -> list[RoundScore]:
        """Return how the candidates of the rounds `first` to `last` did on each split, by round and split."""
        return read_rows(self._rows(queries.round_scores(run, Rounds(first, last))), convert.round_score_from)

    def round_scores_after(self, run: str, trial: int) -> list[RoundScore]:
        """Return the same for all candidates that have a trial with an id above this one."""
        return read_rows(self._rows(queries.round_scores(run, after=trial)), convert.round_score_from)

    def trial_key(self, number: int) -> tuple[Any, ...]:
        """Return what no other trial has than the one with this id; empty if there is none."""
        rows = self._rows(queries.trial_key(number))
        return tuple(rows[0].values()) if rows else ()

    def trial_groups(self, run: str, after: int) -> list[dict[str, Any]]:
        """Return how many trials with ids above `after` are alike; see `queries.trial_groups`."""
        rows = self._rows(queries.trial_groups(run, after))
        return read_rows(rows, lambda row: {**row, "verifier": VerifierMode(row["verifier"])})

    def conditioned_trials(self, run: str) -> list[ConditionedTrial]:
        """Return under which conditions each of the run's trials ran, in the order in which they were written."""
        return read_rows(self._rows(queries.conditioned_trials(run)), convert.conditioned_trial_from)

    def latest_conditions(self, run: str, most: int) -> list[ConditionedTrial]:
        """Return the same of at most so many of the run's trials, those that were written last."""
        return read_rows(self._rows(queries.latest_conditions(run, most)), convert.conditioned_trial_from)

    def recordings(self, run: str) -> list[str]:
        """Return the paths of the recordings of trials that count."""
        with self._read() as connection:
            return list(connection.execute(queries.recordings(run)).scalars())

    def trial_files(self, run: str) -> list[DatedFile]:
        """Return the files of the run's trials: trajectories, then recordings, those of graders, and kept states."""
        return read_rows(self._rows(queries.trial_files(run)), convert.dated_file_from)

    def newest_round(self, run: str) -> int:
        """Return the highest number of a round; 0 without any."""
        with self._read() as connection:
            return int(connection.execute(queries.newest_round(run)).scalar_one())

    def rounds_page(self, run: str, chosen: RoundFilter, page: Page) -> list[dict[str, Any]]:
        """Return one page of the chosen rounds; what has not happened yet is None."""
        return read_rows(self._rows(paging.rounds_page(run, chosen, page)), dict)

    def one_round(self, run: str, number: int) -> RoundRow | None:
        """Return a round, without its edits once it is decided; None if there is no such round."""
        rows = self.rounds_between(run, number, number)
        return rows[0] if rows else None

    def decided_at(self, run: str, number: int) -> str | None:
        """Return when a round was decided; None if it is not."""
        with self._read() as connection:
            return connection.execute(paging.decided_at(run, number)).scalar_one_or_none()

    def rounds_count(self, run: str, chosen: RoundFilter) -> int:
        """Return how many rounds are chosen."""
        with self._read() as connection:
            return int(connection.execute(paging.rounds_count(run, chosen)).scalar_one())

    def figures(self, run: str, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return by round and split of these rounds: `trials` that count, their mean `reward`, and `faults`.

        `square`: the mean square of the tasks' means, of which there are `tasks`.
        """
        return read_rows(self._rows(paging.figures(run, numbers)), dict)

    def trials_of_round(self, run: str, chosen: TrialFilter, page: Page) -> list[TrialResult]:
        """Return one page of the chosen trials of a round, which `chosen` names."""
        return read_rows(self._rows(paging.trials_of_round(run, chosen, page)), convert.trial_from)

    def newest_trials(
        self, run: str, chosen: TrialFilter, before: int, most: int
    ) -> tuple[list[tuple[int, TrialResult]], int]:
        """Return at most so many of the chosen trials, the newest first, each with its round.

        Args:
            before: Only trials with smaller ids; 0: all.

        Returns:
            The trials, and what `before` is for those that follow; 0 if there are none.
        """
        with self._read() as connection:
            start = before or int(connection.execute(paging.highest_trial()).scalar_one()) + 1
            rows = _mappings(connection.execute(paging.newest_trials(run, chosen, start, most)))
        rest = rows[-1]["id"] if len(rows) == most else max(start - paging.SCANNED, 0)
        return read_rows(rows, lambda row: (row["round"], convert.trial_from(row))), rest if rest > 1 else 0

    def latest_sessions(self, runs: Sequence[str]) -> dict[str, SessionRow]:
        """Return the last session of each of these runs that has any."""
        return dict(read_rows(self._rows(paging.latest_sessions(runs)), _of_run(SessionRow)))

    def latest_ends(self, runs: Sequence[str]) -> dict[str, EndRow]:
        """Return the last end of each of these runs that has any."""
        return dict(read_rows(self._rows(paging.latest_ends(runs)), _of_run(EndRow)))

    def newest_rounds(self, runs: Sequence[str]) -> dict[str, int]:
        """Return the highest number of a round of each of these runs that has any."""
        rows = read_rows(self._rows(paging.newest_rounds(runs)), dict)
        return {row["run_id"]: int(row["newest"]) for row in rows}

    def state_marker(self, run: str) -> tuple[int, ...]:
        """Return numbers that differ when something of the run was stored since."""
        with self._read() as connection:
            return tuple(connection.execute(paging.state_marker(run)).one())

    def task_page(self, run: str, task: str, page: Page) -> list[dict[str, Any]]:
        """Return what one task shows of a page of candidates, those of the newest rounds first."""
        return read_rows(self._rows(paging.task_page(run, task, page)), dict)

    def candidates_count(self, run: str) -> int:
        """Return the number of the run's candidates."""
        with self._read() as connection:
            return int(connection.execute(paging.candidates_count(run)).scalar_one())

    def wasted(self, run: str) -> list[dict[str, Any]]:
        """Return what the run wasted, in rows like those of the view `cost`: failed calls, and work that was lost."""
        tried_again = read_rows(self._rows(queries.wasted(run, self._engine.dialect.name)), dict)
        lost = [{"purpose": "lost", **asdict(loss.usage)} for loss in self.losses(run)]
        return [*({"purpose": "work", **row} for row in tried_again), *lost]

    def _rows(self, query: Executable) -> Sequence[Row]:
        with self._read() as connection:
            return _mappings(connection.execute(query))

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with _translate_errors(self._engine), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with _translate_errors(self._engine), self._writing.begin() as connection:
            yield connection


@contextmanager
def _translate_errors(engine: Engine) -> Iterator[None]:
    """Raise our own errors in place of SQLAlchemy's, which other packages do not know."""
    try:
        yield
    except IntegrityError as problem:
        raise EvolveError(f"the database rejected a row: {driver_message(problem)}") from problem
    except OperationalError as problem:
        raise database_error(problem, engine.url) from problem


def _of_run(kind: Callable[..., Record]) -> Callable[[Row], tuple[str, Record]]:
    """What reads a row with its run."""
    return lambda row: (row["run_id"], kind(**{name: value for name, value in row.items() if name != "run_id"}))


def _run_row(row: Row) -> RunRow:
    return RunRow(**row)


def _storable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's values with text that every database can hold."""
    return {name: storable_text(value) if isinstance(value, str) else value for name, value in values.items()}


def _add(connection: Connection, table: Table, **values: Any) -> None:
    connection.execute(insert(table), _storable(values))


def _add_numbered(connection: Connection, table: Table, **values: Any) -> int:
    """Insert a row, and return the id that the database assigned to it."""
    key = connection.execute(insert(table), _storable(values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _insert_tasks(connection: Connection, run: str, tasks: Iterable[Task], excluded: Mapping[str, str]) -> None:
    for task in tasks:
        _add(connection, schema.task, **convert.task_values(run, task, excluded.get(task.name)))


def _candidate_key(connection: Connection, run: str, commit: str) -> tuple[int, int]:
    """Return the candidate's row id and round."""
    row = connection.execute(queries.candidate_key(run, commit)).one_or_none()
    if row is None:
        raise EvolveError(f"run {run} has no candidate {commit}")
    return row.id, row.round


def _predicted(connection: Connection, run: str, rounds: AnyRounds) -> Mapping[tuple[int, str], list[str]]:
    """Return the predicted tasks by round and kind."""
    predicted: dict[tuple[int, str], list[str]] = defaultdict(list)
    for row in connection.execute(queries.predictions(run, rounds)):
        predicted[row.round, row.kind].append(row.task)
    return predicted


def _by_round(connection: Connection, query: Executable, read: Callable[[Row], Record]) -> dict[int, Record]:
    rows = read_rows(_mappings(connection.execute(query)), lambda row: (row["round"], read(row)))
    return dict(rows)


def _mappings(result: CursorResult[Any]) -> list[Row]:
    """The rows as plain dictionaries, which are read faster than SQLAlchemy's."""
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
