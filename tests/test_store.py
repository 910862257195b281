"""The store: facts go in once, come back whole, and the views add them up without counting any twice."""

from __future__ import annotations

import ast
import importlib
import io
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import downgrade, upgrade
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

import evolve.store
from evolve.core.config import ModelRole
from evolve.core.errors import BadInput, EvolveError, InfraError
from evolve.core.records import (
    Candidate,
    Decision,
    Evidence,
    FileEdit,
    Lesson,
    Outcome,
    Proposal,
    SandboxSpec,
    Split,
    StackFate,
    StoredFile,
    Task,
    TrialCondition,
    TrialResult,
    Usage,
    Verdict,
)
from evolve.pages.rounds import tips_of
from evolve.report.lineage_graph import tip_round
from evolve.runs.ends import ends_of
from evolve.store import VIEWS, EndRow, LookRow, PreflightRow, RoundRow, RunRow, SessionRow, Store, TaskRow, queries
from evolve.store.database import database_url, newest_schema, open_engine
from evolve.store.schema import metadata
from evolve.store.upgrading import alembic_config
from tests.migrated import migrated

DOCS = Path(__file__).parents[1] / "docs" / "database.md"
PACKAGE = Path(evolve.store.__file__).parent

SEED = Candidate("aaa", 0, None, "evolve/r1/round-0000")
BETTER = Candidate("bbb", 1, "aaa", "evolve/r1/round-0001")
WORSE = Candidate("ccc", 2, "bbb", "evolve/r1/round-0002")
OPEN = Candidate("ddd", 4, "bbb", "evolve/r1/round-0004")


BEFORE = TrialCondition(("m-1",), ("fp_1", "fp_2"), "sha256:b", "sha256:t", 2)
AFTER = replace(BEFORE, endpoint_models=("m-2",), fingerprints=())


def at(minute: int, second: int = 0) -> str:
    return f"2026-02-28T23:{minute:02}:{second:02}+00:00"


def run_row(run: str = "r1", created_at: str = at(0)) -> RunRow:
    return RunRow(
        id=run,
        created_at=created_at,
        seed=2**63 - 1,
        config='{"rounds": 4}',
        config_sha256="0" * 64,
        suite="tasks/mini",
        scaffold="scaffolds/single",
        model="embedded",
        base_url=None,
        engine='{"name": "docker"}',
        evolve_version="0.1.0",
        repository="/repo",
        base_commit=None,
    )


def task(name: str, split: Split) -> Task:
    return Task(name, Path("tasks") / name, split, "Do it.", "easy", f"digest-{name}", 60, 30, SandboxSpec())


TASKS = (
    task("hold", Split.HOLDOUT),
    task("sort", Split.TRAIN),
    task("tidy", Split.TRAIN),
    task("vary", Split.VALIDATION),
)


def trial(commit: str, name: str, attempt: int, reward: float | None, **changes: Any) -> TrialResult:
    """Costs 0.25 dollars and lasts 2 seconds."""
    outcome = {None: Outcome.INFRA_ERROR, 1.0: Outcome.PASSED}.get(reward, Outcome.FAILED)
    split = next(task.split for task in TASKS if task.name == name)
    usage = Usage(calls=2, prompt_tokens=100, completion_tokens=10, cost_usd=0.25, commands=3)
    detail = "no route to the engine" if reward is None else "1 test failed"
    result = TrialResult(commit, name, split, attempt, 2**62 + 1, outcome, reward, usage, at(1), 2.0, detail)
    return replace(result, **changes)


def proposal(text: str) -> Proposal:
    edits = (FileEdit("a.py", "print('ü')\n"), FileEdit("b.py", None))
    return Proposal(text, f"{text} will help", edits, Usage(1, 1000, 50, 0.5), "a note")


def write_round(
    store: Store, number: int, parent: Candidate | None, candidate: Candidate | None, verdict: Verdict | None
) -> None:
    """Starts in minute 10 x number and is decided 90 seconds later."""
    store.start_race("r1", [number], parent, at(10 * number))
    if number:
        store.add_proposal("r1", number, proposal(f"idea {number}"), "f" * 64, "m2", at(10 * number, 30))
    if candidate:
        store.add_candidate("r1", candidate)
    if verdict:
        store.add_decision("r1", number, Decision(verdict, f"reason {number}"), at(10 * number + 1, 30))


def fill(store: Store) -> None:
    """Baseline, keep, revert, refused, and a round that is still open."""
    store.create_run(run_row(), TASKS)
    write_round(store, 0, None, SEED, Verdict.BASELINE)
    write_round(store, 1, SEED, BETTER, Verdict.KEEP)
    write_round(store, 2, BETTER, WORSE, Verdict.REVERT)
    write_round(store, 3, BETTER, None, Verdict.REFUSED)
    write_round(store, 4, BETTER, OPEN, None)
    file = StoredFile("r1/aaa-sort-0.json.gz", "1" * 64)
    for result in (
        trial("aaa", "sort", 0, 0.0, trajectory=file, recording=replace(file, path="r1/aaa-sort-0.calls.gz")),
        trial("aaa", "sort", 1, 1.0),
        trial("aaa", "sort", 2, 1.0),
        trial("aaa", "tidy", 0, 0.0, condition=BEFORE),
        trial("aaa", "vary", 0, None),
        trial("aaa", "vary", 0, 0.5),
        trial("aaa", "hold", 0, 1.0),
        trial("bbb", "sort", 0, 1.0, condition=BEFORE),
        trial("bbb", "vary", 0, 1.0, condition=AFTER),
        trial("ccc", "sort", 0, 0.0),
        trial("ddd", "sort", 0, None),
        trial("ddd", "sort", 0, None),
    ):
        store.add_trial("r1", result)
    store.add_holdout_look("r1", "aaa", "start of the run", at(2))
    store.end_run("r1", "interrupted", at(50))
    store.end_run("r1", "rounds done", at(55))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "evolve.db"


@pytest.fixture
def store(empty_database: Path, file: Path) -> Iterator[Store]:
    with copied(empty_database, file) as opened:
        yield opened


@pytest.fixture(scope="module")
def filled_database(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("filled") / "evolve.db"
    with copied(empty_database, file) as store:
        fill(store)
    return file


@pytest.fixture
def filled(filled_database: Path, file: Path) -> Iterator[Store]:
    with copied(filled_database, file) as opened:
        yield opened


def copied(database: Path, file: Path) -> Store:
    file.parent.mkdir(exist_ok=True)
    shutil.copy(database, file)
    return Store.open(file)


def column(rows: list[dict[str, Any]], name: str) -> list[Any]:
    return [row[name] for row in rows]


# What goes in comes out


def test_a_run_comes_back_and_the_newest_is_first(store: Store) -> None:
    store.create_run(run_row("old", at(1)))
    store.create_run(run_row("new", at(2)), TASKS)
    assert store.run("old") == run_row("old", at(1))
    assert store.run("none") is None
    assert column([vars(row) for row in store.runs()], "id") == ["new", "old"]
    assert store.tasks("new")[1] == TaskRow("sort", Split.TRAIN, "easy", "digest-sort")
    assert store.tasks("old") == []


def test_tasks_can_be_added_later(store: Store) -> None:
    store.create_run(run_row())
    store.add_tasks("r1", TASKS)
    assert [row.name for row in store.tasks("r1")] == ["hold", "sort", "tidy", "vary"]


def test_a_run_whose_tasks_are_wrong_is_not_written_at_all(store: Store) -> None:
    with pytest.raises(EvolveError, match="UNIQUE"):
        store.create_run(run_row(), (TASKS[0], TASKS[0]))
    assert store.runs() == []


def test_candidates_and_trials_come_back_whole(filled: Store) -> None:
    assert filled.candidates("r1") == [SEED, BETTER, WORSE, OPEN]
    assert len(filled.trials("r1")) == 12
    first, *others = filled.trials("r1", "aaa")
    assert first.trajectory == StoredFile("r1/aaa-sort-0.json.gz", "1" * 64)
    assert others[0] == trial("aaa", "sort", 1, 1.0)
    assert others[3] == trial("aaa", "vary", 0, None)
    assert filled.trials("other run") == []


def test_conditions_come_back_with_their_trials_and_alone(filled: Store) -> None:
    assert filled.conditions("r1") == [BEFORE, BEFORE, AFTER] and filled.conditions("other run") == []
    assert [result.condition for result in filled.trials("r1", "bbb")] == [BEFORE, AFTER]
    rows = filled.view("trials", "r1")
    assert column(rows, "fingerprints")[6:9] == [None, "fp_1, fp_2", ""]
    assert column(rows, "concurrency")[2:5] == [None, 2, None]


def test_several_values_of_one_trial_are_stored_sorted_and_once(filled: Store) -> None:
    unsorted = TrialCondition(("b", "a", "b"), ("", "y", "x"))
    filled.add_trial("r1", trial("bbb", "tidy", 0, 1.0, condition=BEFORE), unsorted)
    assert filled.trials("r1", "bbb")[-1].condition == TrialCondition(("a", "b"), ("x", "y"))


def test_a_trial_runs_at_least_alone() -> None:
    with pytest.raises(ValueError, match="at least one"):
        TrialCondition(concurrency=0)


CACHED = Usage(3, 100, 20, 0.5, 0, 2, 1.5, 80, 10)


def test_checks_of_endpoints_come_back_and_count(filled: Store) -> None:
    session = filled.start_session("r1", SessionRow(at(1), "0.1.0", "host", 7, "{}"))
    rows = [
        PreflightRow(at(1), "scaffold", "m", "http://localhost:9/v1", '{"tools": true}', CACHED),
        PreflightRow(at(1), "proposer", "n", None, "{}", replace(CACHED, cost_usd=0.25)),
        PreflightRow(at(1), "small", "s", None, "{}", Usage()),
        PreflightRow(at(1), "grader", "g", None, "{}", Usage()),
    ]
    before = filled.spent("r1")
    for row in rows:
        filled.add_preflight("r1", session, row)
    assert filled.preflights("r1") == [replace(row, session=session) for row in rows]
    spent = filled.spent("r1")
    assert (spent.cost_usd - before.cost_usd, spent.calls - before.calls, spent.cached_tokens) == (0.75, 6, 160)
    (cost,) = (row for row in filled.view("cost", "r1") if row["purpose"] == "preflight")
    assert (cost["round"], cost["calls"], cost["cost_usd"], cost["retries"], cost["lost_seconds"]) == (
        None, 6, 0.75, 4, 3.0,
    )  # fmt: skip
    assert cost["cache_write_tokens"] == 20


def test_roles_of_checks_that_an_older_schema_lacks_become_the_scaffolds(filled: Store, file: Path) -> None:
    session = filled.start_session("r1", SessionRow(at(1), "0.1.0", "host", 7, "{}"))
    roles: list[ModelRole] = ["scaffold", "proposer", "small", "grader"]
    for role in roles:
        filled.add_preflight("r1", session, PreflightRow(at(1), role, "m", None, "{}", Usage()))
    filled.close()
    migrated(file, downgrade, "0010")
    with sqlite3.connect(file) as connection, pytest.raises(sqlite3.IntegrityError, match="ck_preflight_role"):
        connection.execute("UPDATE preflight SET role = 'grader'")
    with Store.open(file) as store:
        assert [row.role for row in store.preflights("r1")] == ["scaffold", "proposer", "scaffold", "scaffold"]
        store.add_preflight("r1", session, PreflightRow(at(1), "grader", "m", None, "{}", Usage()))
    with sqlite3.connect(file) as connection, pytest.raises(sqlite3.IntegrityError, match="ck_preflight_role"):
        connection.execute("UPDATE preflight SET role = 'other'")


def test_a_check_belongs_to_a_session_of_its_run(filled: Store) -> None:
    with pytest.raises(EvolveError, match="FOREIGN KEY"):
        filled.add_preflight("r1", 99, PreflightRow(at(1), "scaffold", "m", None, "{}", Usage()))


def test_cached_tokens_come_back_of_all_work(filled: Store) -> None:
    session = filled.start_session("r1", SessionRow(at(1), "0.1.0", "host", 7, "{}"))
    filled.add_trial("r1", trial("bbb", "tidy", 0, 1.0, usage=CACHED))
    filled.start_race("r1", [5], SEED, at(50))
    filled.add_proposal("r1", 5, replace(proposal("x"), usage=CACHED), "0" * 64, "m", at(51))
    filled.add_lesson("r1", Lesson(5, "words", "", CACHED), "0" * 64, "m", at(52))
    lost = Usage(1, 10, 10, 0.1, cached_tokens=9, cache_write_tokens=1)
    filled.add_losses("r1", session, {"a trial": lost}, at(53))
    proposed = filled.rounds("r1")[5].proposal
    usages = [filled.trials("r1")[-1].usage, proposed and proposed.usage, filled.lessons("r1")[0].usage]
    assert usages == [CACHED] * 3 and filled.losses("r1")[0].usage == lost
    assert (filled.spent("r1").cached_tokens, filled.spent("r1").cache_write_tokens) == (3 * 80 + 9, 3 * 10 + 1)
    cached = {row["purpose"]: row["cached_tokens"] for row in filled.view("cost", "r1") if row["cached_tokens"]}
    assert cached == {"trials": 80, "proposal": 80, "lesson": 80, "lost": 9}


def test_rounds_show_their_progress(filled: Store) -> None:
    rounds = filled.rounds("r1")
    baseline = Decision(Verdict.BASELINE, "reason 0")
    refused = Decision(Verdict.REFUSED, "reason 3")
    assert rounds[0] == RoundRow(0, None, at(0), SEED, None, baseline, 0)
    assert rounds[3] == RoundRow(3, BETTER, at(30), None, proposal("idea 3"), refused, 3)
    assert rounds[4] == RoundRow(4, BETTER, at(40), OPEN, proposal("idea 4"), None, 4)
    assert len(rounds) == 5


def test_cached_rows_equal_fresh_ones(tmp_path: Path) -> None:
    """One store reads after every row that another one writes, also of another run, and of rounds left open."""
    with Store.open(tmp_path / "e.db") as writer, Store.open(tmp_path / "e.db") as reader:
        writer.create_run(run_row(), TASKS)
        writer.create_run(run_row("r2"), TASKS)
        steps: list[Callable[[], None]] = [
            lambda: writer.start_race("r1", [0], None, at(0)),
            lambda: writer.add_candidate("r1", SEED),
            lambda: writer.add_trial("r1", trial("aaa", "sort", 0, 0.0)),
            lambda: write_round(writer, 1, SEED, BETTER, Verdict.KEEP),  # above a round that is not decided
            lambda: writer.add_decision("r1", 0, Decision(Verdict.BASELINE, ""), at(1)),
            lambda: writer.start_race("r2", [0], None, at(0)),
            lambda: writer.add_candidate("r2", SEED),
            lambda: writer.add_trial("r2", trial("aaa", "sort", 0, 0.0)),
            lambda: writer.add_trial("r1", trial("bbb", "sort", 0, None)),
            lambda: write_round(writer, 2, BETTER, None, Verdict.REFUSED),
            lambda: write_round(writer, 3, BETTER, replace(WORSE, round=3), None),
            lambda: writer.add_trial("r1", trial("ccc", "sort", 0, 1.0)),
            lambda: writer.add_decision("r1", 3, Decision(Verdict.REVERT, ""), at(31)),
        ]
        for step in steps:
            step()
            with Store.open(tmp_path / "e.db") as fresh:
                for run in ("r1", "r2"):
                    assert reader.rounds(run) == fresh.rounds(run)
                    assert reader.spent(run).cost_usd == fresh.spent(run).cost_usd
        assert reader.spent("r1").cost_usd == 3 * 0.25 + 3 * 0.5 and reader.spent("r2").cost_usd == 0.25


def test_looks_and_ends_come_back(filled: Store) -> None:
    assert filled.holdout_looks("r1") == [LookRow("aaa", "start of the run", at(2))]
    assert filled.ends("r1") == [EndRow("interrupted", at(50)), EndRow("rounds done", at(55))]


def test_the_champion_is_the_last_one_kept(store: Store) -> None:
    store.create_run(run_row(), TASKS)
    write_round(store, 0, None, SEED, None)
    with pytest.raises(LookupError, match="r1"):
        store.champion("r1")
    store.add_decision("r1", 0, Decision(Verdict.BASELINE, ""), at(1))
    assert store.champion("r1") == SEED
    write_round(store, 1, SEED, BETTER, Verdict.KEEP)
    write_round(store, 2, BETTER, WORSE, Verdict.REVERT)
    assert store.champion("r1") == BETTER


def test_the_champion_is_the_last_accepted_candidate_at_a_promotion(store: Store) -> None:
    store.create_run(run_row(), TASKS)
    write_round(store, 0, None, SEED, Verdict.BASELINE)
    write_round(store, 1, SEED, BETTER, Verdict.STACK)
    assert store.champion("r1") == SEED
    write_round(store, 2, BETTER, WORSE, None)
    store.add_decision("r1", 2, Decision(Verdict.REVERT, "", StackFate.PROMOTED, Evidence(-0.1, 0.02, 0.01)), at(30))
    assert store.champion("r1") == BETTER
    write_round(store, 3, BETTER, Candidate("eee", 3, "bbb", "evolve/r1/round-0003"), Verdict.STACK)
    assert store.champion("r1") == BETTER
    rows = store.view("history", "r1")
    assert column(rows, "champion_round") == [0, 0, 1, 1]
    assert column(rows, "fate") == ["open", "open", "promoted", "open"]
    assert column(rows, "doubt") == [None, None, 0.01, None]
    assert store.rounds("r1")[2].decision == Decision(
        Verdict.REVERT, "", StackFate.PROMOTED, Evidence(-0.1, 0.02, 0.01)
    )


@pytest.mark.parametrize(("at_once", "champions"), [(True, [0, 0, 0, 1]), (False, [0, 0, 0, 0, 1])])
def test_a_tip_that_gave_way_is_no_champion_later_on(store: Store, at_once: bool, champions: list[int]) -> None:
    """`at_once`: what it gave way to became champion by the same round."""
    store.create_run(run_row(), TASKS)
    third = Candidate("eee", 2, "bbb", "evolve/r1/round-0002")
    write_round(store, 0, None, SEED, Verdict.BASELINE)
    write_round(store, 1, SEED, BETTER, Verdict.STACK)
    write_round(store, 2, BETTER, third, Verdict.STACK)
    write_round(store, 3, third, Candidate("fff", 3, "eee", "evolve/r1/round-0003"), None)
    evidence = Evidence(-0.1, 0.02, 0.01)
    fate = StackFate.PROMOTED if at_once else StackFate.GIVEN_UP
    store.add_decision("r1", 3, Decision(Verdict.REVERT, "", fate, evidence, back_to=1), at(30))
    assert ends_of(store.rounds("r1")) == ends_of(store.milestones("r1")) == ((BETTER if at_once else SEED), BETTER)
    if not at_once:
        write_round(store, 4, BETTER, Candidate("abc", 4, "bbb", "evolve/r1/round-0004"), None)
        store.add_decision("r1", 4, Decision(Verdict.REVERT, "", StackFate.PROMOTED, evidence), at(31))
    assert store.champion("r1") == BETTER
    rows = store.view("history", "r1")
    assert column(rows, "champion_round") == champions
    assert rows[3]["back_to"] == 1 and tip_round(rows) == 1
    assert tips_of(store.rounds("r1"))[len(champions) - 1] == 1
    with pytest.raises(ValueError, match="no round that a stack goes back to"):
        Decision(Verdict.REVERT, "", back_to=1)


def test_spent_is_all_trials_and_all_proposals(filled: Store) -> None:
    assert filled.spent("r1").cost_usd == 12 * 0.25 + 4 * 0.5
    assert filled.spent("r1").cost_usd == sum(column(filled.view("cost", "r1"), "cost_usd"))
    assert filled.spent("r1").cost_usd == sum(column(filled.view("history", "r1"), "cost_usd"))
    assert filled.spent("other run").cost_usd == 0.0


# What the database refuses


def test_an_attempt_counts_once_and_its_infra_errors_are_many(filled: Store) -> None:
    filled.add_trial("r1", trial("aaa", "sort", 0, None))
    with pytest.raises(EvolveError, match="UNIQUE"):
        filled.add_trial("r1", trial("aaa", "sort", 0, 1.0))


def test_a_commit_belongs_to_one_round(filled: Store) -> None:
    filled.start_race("r1", [5], SEED, at(50))
    with pytest.raises(EvolveError, match="commit_sha"):
        filled.add_candidate("r1", replace(OPEN, round=5))


def test_a_round_is_written_once(filled: Store) -> None:
    with pytest.raises(EvolveError, match="UNIQUE"):
        filled.start_race("r1", [4], SEED, at(50))
    with pytest.raises(EvolveError, match="UNIQUE"):
        filled.add_decision("r1", 1, Decision(Verdict.REVERT, ""), at(50))


def test_rows_must_belong_together(filled: Store) -> None:
    filled.create_run(run_row("r2"))
    with pytest.raises(EvolveError, match="r2 has no candidate aaa"):
        filled.add_trial("r2", trial("aaa", "sort", 0, 1.0))
    with pytest.raises(EvolveError, match="r1 has no candidate zzz"):
        filled.add_candidate("r1", Candidate("yyy", 3, "zzz", "b"))
    with pytest.raises(EvolveError, match="FOREIGN KEY"):
        filled.add_trial("r1", trial("aaa", "sort", 5, 1.0, task="unknown"))
    with pytest.raises(EvolveError, match="FOREIGN KEY"):
        filled.add_candidate("r1", Candidate("yyy", 9, "aaa", "no such round"))
    with pytest.raises(EvolveError, match="FOREIGN KEY"):
        filled.end_run("no such run", "", at(1))


@pytest.mark.parametrize("time", ["2026-02-28 23:00:00", "2026-02-28T23:00:00", "2026-02-28T23:00:00+01:00", ""])
def test_times_are_utc(store: Store, time: str) -> None:
    with pytest.raises(EvolveError, match="created_at_utc"):
        store.create_run(run_row(created_at=time))


@pytest.mark.parametrize("time", ["2026-02-28T23:00:00Z", "2026-02-28T23:00:00.123456+00:00"])
def test_both_ways_of_writing_utc_are_accepted(store: Store, time: str) -> None:
    store.create_run(run_row(created_at=time))


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("reward = NULL", "reward_counts"),
        ("outcome = 'infra_error'", "reward_counts"),
        ("outcome = 'lucky'", "ck_trial_outcome"),
        ("split = 'test'", "ck_trial_split"),
        ("reward = 1.5", "reward_range"),
        ("seconds = -1", "not_negative"),
        ("trajectory_sha256 = 'x'", "trajectory_whole"),
    ],
)
def test_a_trial_that_contradicts_itself_is_refused(filled: Store, file: Path, change: str, check: str) -> None:
    """By the database, whoever writes: this is not the store's own writing."""
    with sqlite3.connect(file) as connection, pytest.raises(sqlite3.IntegrityError, match=check):
        connection.execute(f"UPDATE trial SET {change} WHERE id = 2")


def test_only_round_0_is_the_baseline_and_has_no_parent(filled: Store) -> None:
    with pytest.raises(EvolveError, match="ck_decision_baseline"):
        filled.add_decision("r1", 4, Decision(Verdict.BASELINE, ""), at(50))
    with pytest.raises(EvolveError, match="ck_round_root"):
        filled.start_race("r1", [5], None, at(50))
    with pytest.raises(EvolveError, match="ck_candidate_root"):
        filled.add_candidate("r1", Candidate("eee", 3, None, "b"))


def test_nothing_in_the_package_changes_or_deletes_a_row() -> None:
    words = {"update", "delete", "merge", "on_conflict_do_update"}
    for module in PACKAGE.glob("*.py"):
        tree = ast.parse(module.read_text())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not names & words, module


# The views


def test_history_has_one_row_per_round(filled: Store) -> None:
    rows = filled.view("history", "r1")
    assert column(rows, "round") == [0, 1, 2, 3, 4]
    assert column(rows, "verdict") == ["baseline", "keep", "revert", "refused", None]
    assert column(rows, "parent_round") == [None, 0, 1, 1, 1]
    assert column(rows, "trials") == [6, 2, 1, 0, 0]
    assert column(rows, "infra_errors") == [1, 0, 0, 0, 2]
    assert column(rows, "cost_usd") == [7 * 0.25, 2 * 0.25 + 0.5, 0.25 + 0.5, 0.5, 2 * 0.25 + 0.5]
    assert column(rows, "commit_sha") == ["aaa", "bbb", "ccc", None, "ddd"]
    assert column(rows, "hypothesis") == [None, "idea 1", "idea 2", "idea 3", "idea 4"]
    assert column(rows, "reason")[:2] == ["reason 0", "reason 1"]


def test_scores_are_means_over_tasks_of_means_over_trials(filled: Store) -> None:
    """sort has three trials (2/3), tidy one (0): each task weighs the same."""
    rows = filled.view("history", "r1")
    assert column(rows, "train_score") == [pytest.approx(1 / 3), 1.0, 0.0, None, None]
    assert column(rows, "validation_score") == [0.5, 1.0, None, None, None]


def test_a_round_lasts_from_its_start_to_its_decision(filled: Store) -> None:
    assert column(filled.view("history"), "minutes") == [1.5, 1.5, 1.5, 1.5, None]


@pytest.mark.parametrize(
    ("start", "end", "minutes"),
    [
        ("2026-02-28T23:59:30Z", "2026-03-01T00:00:30Z", 1.0),
        ("2028-02-28T23:59:30.5Z", "2028-03-01T00:00:30Z", 24 * 60 + 1),
        ("2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z", 60),
        ("2026-07-31T00:00:00Z", "2026-08-01T00:00:00Z", 24 * 60),
        ("2026-01-31T00:00:00Z", "2026-11-23T00:00:00Z", 296 * 24 * 60),
    ],
)
def test_minutes_cross_days_months_and_years(store: Store, start: str, end: str, minutes: float) -> None:
    store.create_run(run_row())
    store.start_race("r1", [0], None, start)
    store.add_decision("r1", 0, Decision(Verdict.BASELINE, ""), end)
    assert column(store.view("history"), "minutes") == [pytest.approx(minutes, abs=1e-6)]


def test_lineage_counts_the_patches_on_the_way(filled: Store) -> None:
    rows = filled.view("lineage", "r1")
    assert column(rows, "commit_sha") == ["aaa", "bbb", "ccc", "ddd"]
    assert column(rows, "parent_commit") == [None, "aaa", "bbb", "bbb"]
    assert column(rows, "parent_round") == [None, 0, 1, 1]
    assert column(rows, "depth") == [0, 1, 2, 2]
    assert column(rows, "verdict") == ["baseline", "keep", "revert", None]


def test_task_matrix_has_the_pairs_that_were_measured(filled: Store) -> None:
    rows = filled.view("task_matrix", "r1")
    seen = [(row["round"], row["task"], row["trials"], row["passes"], row["mean_reward"]) for row in rows]
    assert seen == [
        (0, "hold", 1, 1, 1.0),
        (0, "sort", 3, 2, pytest.approx(2 / 3)),
        (0, "tidy", 1, 0, 0.0),
        (0, "vary", 1, 0, 0.5),
        (1, "sort", 1, 1, 1.0),
        (1, "vary", 1, 1, 1.0),
        (2, "sort", 1, 0, 0.0),
    ]


def test_cost_has_a_row_per_round_and_purpose(filled: Store) -> None:
    rows = filled.view("cost", "r1")
    seen = [(row["round"], row["purpose"], row["cost_usd"], row["calls"], row["seconds"]) for row in rows]
    assert seen == [
        (0, "trials", 1.75, 14, 14.0),
        (1, "proposal", 0.5, 1, None),
        (1, "trials", 0.5, 4, 4.0),
        (2, "proposal", 0.5, 1, None),
        (2, "trials", 0.25, 2, 2.0),
        (3, "proposal", 0.5, 1, None),
        (4, "proposal", 0.5, 1, None),
        (4, "trials", 0.5, 4, 4.0),
    ]


def test_trials_are_readable(filled: Store) -> None:
    rows = filled.view("trials", "r1")
    assert len(rows) == 12
    assert rows[0]["trajectory"] == "r1/aaa-sort-0.json.gz"
    assert (rows[7]["round"], rows[7]["commit_sha"], rows[7]["tokens"]) == (1, "bbb", 110)


def test_a_second_run_changes_nothing_in_the_first_ones_views(filled: Store) -> None:
    before = {name: filled.view(name, "r1") for name in VIEWS}
    filled.create_run(run_row("r2"), TASKS)
    filled.start_race("r2", [0], None, at(0))
    filled.add_candidate("r2", SEED)
    filled.add_trial("r2", trial("aaa", "sort", 0, 1.0))
    filled.add_decision("r2", 0, Decision(Verdict.BASELINE, ""), at(1))
    assert {name: filled.view(name, "r1") for name in VIEWS} == before
    assert column(filled.view("history", "r2"), "trials") == [1]
    assert len(filled.view("history")) == 6
    assert filled.champion("r2") == SEED


def test_only_views_can_be_read(store: Store) -> None:
    with pytest.raises(BadInput, match="history, lineage"):
        store.view("run; DROP TABLE run")


# Opening


def test_exists_creates_nothing(file: Path) -> None:
    assert not Store.exists(file)
    assert not file.parent.exists()
    Store.open(file).close()
    assert Store.exists(file)
    assert Store.exists(f"sqlite:///{file}")


def test_the_settings_that_keep_facts_safe(file: Path) -> None:
    engine = open_engine(database_url(file))
    with engine.connect() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    engine.dispose()
    assert values == ["wal", 2, 1, 60_000]


def test_opening_again_keeps_all_rows(filled: Store, file: Path) -> None:
    with Store.open(str(file)) as again:
        assert again.view("history") == filled.view("history")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, but long enough to have a header" * 20)
    with pytest.raises(BadInput, match="notes"):
        Store.open(text)


def test_the_newest_run_is_the_one_that_was_written_last_though_the_clock_was_set_back(store: Store) -> None:
    store.create_run(run_row("first", at(9)))
    store.create_run(run_row("second", at(1)))
    assert [row.id for row in store.runs()] == ["second", "first"]


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="can't be opened"):
        Store.open(tmp_path)


def test_a_database_of_a_newer_evolve_is_refused(filled: Store, file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(BadInput, match="newer"):
        Store.open(file)


@pytest.mark.parametrize("url", ["nosuch://user:secret@host/name", "://secret"])
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BadInput) as raised:
        Store.open(url)
    assert "secret" not in str(raised.value)


@pytest.mark.slow
def test_several_processes_may_make_the_same_database(file: Path) -> None:
    code = "import sys; from evolve.store import Store; Store.open(sys.argv[1]).close()"
    processes = [subprocess.Popen([sys.executable, "-c", code, str(file)]) for _ in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    with Store.open(file) as store:
        assert store.runs() == []


def test_people_can_read_while_a_run_writes(filled: Store, file: Path) -> None:
    reader = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=0, isolation_level=None)
    reader.execute("BEGIN")
    count = "SELECT count(*) FROM trials"
    assert reader.execute(count).fetchone() == (12,)
    filled.add_trial("r1", trial("bbb", "tidy", 0, 1.0))
    assert reader.execute(count).fetchone() == (12,)
    reader.execute("COMMIT")
    assert reader.execute(count).fetchone() == (13,)
    reader.close()


def test_a_store_opens_and_reads_while_another_one_holds_the_lock(filled: Store, file: Path) -> None:
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with Store.open(file) as reader:
        assert len(reader.view("history")) == 5
    writer.close()


def test_two_writers_wait_for_each_other(filled: Store, file: Path) -> None:
    def add(commit: str) -> None:
        with Store.open(file) as own:
            for attempt in range(10, 40):
                own.add_trial("r1", trial(commit, "sort", attempt, 1.0))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add, ["aaa", "bbb"]))
    assert len(filled.trials("r1")) == 12 + 60


# The schema


def ddl(file: Path) -> dict[str, list[str]]:
    """Each table's columns and constraints, sorted: their order means nothing, nor does a check beside its column."""
    with sqlite3.connect(file) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index')").fetchall()
    own = {name: sql for name, sql in rows if sql and name != "alembic_version"}
    return {name: sorted(part for line in sql.splitlines() for part in parts(line)) for name, sql in own.items()}


def parts(line: str) -> list[str]:
    """One column or constraint each, also of a line to which a migration has added some."""
    cut = re.sub(r", (?=\w+ (?:TEXT|INTEGER|DOUBLE))| (?=CONSTRAINT)", "\n", line.strip(" ,\t"))
    return [part for part in cut.split("\n") if part not in ("", ")")]


def test_the_migration_and_the_models_agree(store: Store, file: Path, tmp_path: Path) -> None:
    engine = open_engine(database_url(file))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_they_agree_on_checks_and_partial_indexes_too(store: Store, file: Path, tmp_path: Path) -> None:
    models = tmp_path / "models.db"
    engine = create_engine(f"sqlite:///{models}")
    metadata.create_all(engine)
    engine.dispose()
    assert ddl(file) == ddl(models)
    assert len(ddl(models)) == 22


def test_the_tables_compile_for_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    tables = {table.name: str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables}
    assert "id SERIAL" in tables["trial"]
    assert "seed BIGINT" in tables["trial"]
    assert "reward DOUBLE PRECISION" in tables["trial"]
    assert "number INTEGER NOT NULL" in tables["round"]


def test_on_postgresql_too_an_attempt_counts_once_but_for_infrastructure_errors() -> None:
    written = io.StringIO()
    options = {"as_sql": True, "output_buffer": written}
    first = importlib.import_module("evolve.store.migrations.versions.0001_initial")
    with Operations.context(MigrationContext.configure(dialect_name="postgresql", opts=options)):
        first.upgrade()
    made = re.sub(r"\s+", " ", written.getvalue())
    assert re.search(r"CREATE UNIQUE INDEX uq_trial_counted ON trial \([^)]*\) WHERE outcome <> 'infra_error'", made)


def test_views_use_no_function_that_only_one_database_has() -> None:
    known = {"avg", "sum", "max", "count", "coalesce", "substr", "cast", "tree", "as", "in", "when", "over"}
    for file in (PACKAGE / "migrations" / "versions").glob("*.sql"):
        code = re.sub(r"--.*", "", file.read_text())
        used = {name.lower() for name in re.findall(r"(\w+) ?\(", code)}
        assert used - known <= set(), file.name


# The page that describes it


def sections() -> dict[str, str]:
    parts = re.split(r"^### (\w+)\n", DOCS.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_page_describes_every_table_view_and_column(store: Store, file: Path) -> None:
    with sqlite3.connect(file) as connection:
        query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name <> 'alembic_version'"
        names = [name for (name,) in connection.execute(query)]
        real = {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}
    told = {name: re.findall(r"^\| `(\w+)` \|", text, flags=re.M) for name, text in sections().items()}
    assert told == real


ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "How did the champion's score move?": [
        ("r1", 0, pytest.approx(1 / 3), 0.5),
        ("r1", 1, 1.0, 1.0),
    ],
    "Which candidates are the best": [
        ("r1", 1, "keep", 1.0, 1.0, 2, "bbb"),
        ("r1", 0, "baseline", 0.5, pytest.approx(1 / 3), 6, "aaa"),
    ],
    "What was built upon, and why?": [("r1", 1, "idea 1", "idea 1 will help", "reason 1")],
    "Which tasks did no candidate ever pass?": [("r1", "tidy", "train", "easy", 1)],
    "Which tasks did a round fix or break": [
        ("r1", 1, "sort", "better", pytest.approx(2 / 3), 1.0, 3, 1),
        ("r1", 1, "vary", "better", 0.5, 1.0, 1, 1),
        ("r1", 2, "sort", "worse", 1.0, 0.0, 1, 1),
    ],
    "What does a kept patch cost": [("r1", 5.0, 1, 5.0)],
    "Which tasks are flaky": [("r1", "sort", "train", 1, 2, 3)],
    "How did the trials of each round end?": [
        ("r1", 0, "failed", 3),
        ("r1", 0, "infra_error", 1),
        ("r1", 0, "passed", 3),
        ("r1", 1, "passed", 2),
        ("r1", 2, "failed", 1),
        ("r1", 4, "infra_error", 2),
    ],
    "Which infrastructure errors were there?": [("no route to the engine", 3, "r1", "r1")],
    "Where did the dollars and tokens go?": [
        ("r1", "proposal", 2.0, 4, 4000, 200),
        ("r1", "trials", 3.0, 24, 1200, 120),
    ],
    "Did the endpoint, the images or the concurrency change": [
        ("r1", "m-1", "fp_1, fp_2", "sha256:b", 2, 2, 4),
        ("r1", "m-2", "", "sha256:b", 2, 1, 9),
    ],
    "Who looked at the holdout": [("r1", 0, at(2), "start of the run")],
    "Where is the trajectory of each failed trial?": [
        ("r1", 0, "sort", 0, "failed", "1 test failed", "r1/aaa-sort-0.json.gz")
    ],
    "How did a run end": [("r1", at(50), "interrupted"), ("r1", at(55), "rounds done")],
}


@pytest.mark.parametrize("question", list(ANSWERS))
def test_the_pages_queries_answer_their_questions(filled: Store, file: Path, question: str) -> None:
    blocks = re.split(r"```sql\n(.+?)```", DOCS.read_text(), flags=re.S)
    asked = dict(zip((text.strip().split("\n\n")[-1] for text in blocks[::2]), blocks[1::2], strict=False))
    assert len(asked) == len(ANSWERS)
    (query,) = (sql for text, sql in asked.items() if text.startswith(question))
    with sqlite3.connect(file) as connection:
        assert connection.execute(query).fetchall() == ANSWERS[question]


# What older databases held


def test_trials_of_the_first_schema_are_migrated(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    migrated(old, upgrade, "0001")
    with sqlite3.connect(old) as connection:
        connection.execute(
            "INSERT INTO trial VALUES (1, 'r', 1, 't', 'train', 0, 7, 'failed', 0.0, ?, 1.0, 1, 1, 1, 0.0, 1, '', "
            "NULL, NULL, NULL, NULL)",
            (at(1),),
        )
    Store.open(old).close()
    with sqlite3.connect(old) as connection:
        assert connection.execute("SELECT outcome, cause, verifier FROM trial").fetchall() == [
            ("failed", "", "isolated")
        ]
        with pytest.raises(sqlite3.IntegrityError, match="ck_trial_cause"):
            connection.execute("UPDATE trial SET cause = 'other'")


def test_decisions_of_an_older_schema_are_migrated(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    migrated(old, upgrade, "0002")
    with sqlite3.connect(old) as connection:
        values = [("r", 0, "baseline", "", at(1)), ("r", 1, "keep", "better", at(2)), ("r", 2, "revert", "", at(3))]
        run = [getattr(run_row("r"), field.name) for field in fields(RunRow)]
        connection.execute(f"INSERT INTO run VALUES ({', '.join('?' * len(run))})", run)
        connection.executemany(
            "INSERT INTO round VALUES ('r', ?, ?, ?)", [(n, n - 1 if n else None, at(n)) for n in range(3)]
        )
        connection.executemany("INSERT INTO decision VALUES (?, ?, ?, ?, ?)", values)
    Store.open(old).close()
    with sqlite3.connect(old) as connection:
        query = "SELECT run_id, round, verdict, reason, decided_at, fate, effect FROM decision"
        assert connection.execute(query).fetchall() == [(*row, "open", None) for row in values]
        with pytest.raises(sqlite3.IntegrityError, match="ck_decision_fate_of_revert"):
            connection.execute("UPDATE decision SET fate = 'promoted' WHERE round = 1")
        connection.execute("UPDATE decision SET verdict = 'stack' WHERE round = 1")
    migrated(old, downgrade, "0002")
    with sqlite3.connect(old) as connection:
        assert connection.execute("SELECT verdict FROM decision").fetchall() == [
            ("baseline",),
            ("revert",),
            ("revert",),
        ]


def test_spending_of_an_older_schema_has_no_cached_tokens(filled: Store, file: Path) -> None:
    filled.add_trial("r1", trial("bbb", "tidy", 0, 1.0, usage=CACHED))
    filled.close()
    migrated(file, downgrade, "0006")
    with Store.open(file) as store:
        assert store.spent("r1").calls == 12 * 2 + 4 + 3 and store.spent("r1").cached_tokens == 0
        assert store.conditions("r1") == [] and store.trials("r1")[-1].condition is None
    with sqlite3.connect(file) as connection, pytest.raises(sqlite3.IntegrityError, match="ck_lesson_cached"):
        connection.execute(
            "INSERT INTO lesson VALUES ('r1', 0, '', '', '', 'm', 1, 1, 1, 0.0, ?, 0, 0, 0, -1)", (at(1),)
        )


def test_a_migration_can_be_reverted(file: Path, store: Store) -> None:
    store.close()
    before = ddl(file)
    migrated(file, downgrade, "0001")
    assert ddl(file) != before
    Store.open(file).close()
    assert ddl(file) == before


def test_predictions_come_back_with_their_proposal_and_lessons_in_order(store: Store) -> None:
    told = replace(
        proposal("an idea"), fixes=("sort", "tidy"), breaks=("sort",), transcript=StoredFile("r1/p.gz", "a" * 64)
    )
    fill(store)
    store.start_race("r1", [5], BETTER, at(50))
    spent = store.spent("r1").cost_usd
    store.add_proposal("r1", 5, told, "0" * 64, "m", at(51))
    assert store.rounds("r1")[5].proposal == told
    for number in (2, 1):
        store.add_lesson("r1", Lesson(number, "words", "12", Usage(2, 30, 4, 0.5)), "0" * 64, "m", at(52))
    assert store.lessons("r1") == [Lesson(number, "words", "12", Usage(2, 30, 4, 0.5)) for number in (1, 2)]
    assert store.spent("r1").cost_usd == pytest.approx(spent + told.usage.cost_usd + 1.0)
    lessons = [row for row in store.view("cost", "r1") if row["purpose"] == "lesson"]
    assert [(row["round"], row["cost_usd"]) for row in lessons] == [(1, 0.5), (2, 0.5)]


def test_predictions_are_compared_over_the_attempts_that_both_made(store: Store) -> None:
    fill(store)
    store.start_race("r1", [5], SEED, at(50))
    store.add_proposal("r1", 5, replace(proposal("x"), fixes=("sort", "tidy"), breaks=("sort",)), "0", "m", at(51))
    store.add_candidate("r1", Candidate("eee", 5, "aaa", "evolve/r1/round-0005"))
    store.add_trial("r1", trial("eee", "sort", 0, 1.0))
    store.add_trial("r1", trial("eee", "sort", 2, 1.0))
    told = {(row["kind"], row["task"]): (row["move"], row["pairs"]) for row in store.view("predictions", "r1")}
    assert told == {("fix", "sort"): (0.5, 2), ("fix", "tidy"): (None, 0), ("break", "sort"): (0.5, 2)}
    row = store.view("history", "r1")[5]
    assert [row[name] for name in ("predicted", "fixed", "feared", "broken")] == [2, 1, 1, 0]


def test_the_newest_schema_is_known_without_alembic() -> None:
    assert newest_schema() == ScriptDirectory.from_config(alembic_config()).get_current_head()


def test_a_part_of_the_rounds_is_that_part_of_all(filled: Store) -> None:
    rounds = filled.rounds_in_brief("r1")
    assert filled.rounds_between("r1", 2, 3) == rounds[2:4]
    assert filled.rounds_between("r1", 0, 9) == rounds
    assert filled.rounds_between("r1", 7, 9) == []


def test_milestones_are_the_rounds_that_may_have_moved_champion_or_tip(filled: Store) -> None:
    write_round(filled, 5, BETTER, Candidate("eee", 5, "bbb", "evolve/r1/round-0005"), None)
    filled.add_decision("r1", 4, Decision(Verdict.REVERT, "no", StackFate.GIVEN_UP), at(52))
    filled.add_decision("r1", 5, Decision(Verdict.REVERT, "a copy", would_be=Verdict.STACK), at(53))
    found = filled.milestones("r1")
    assert [one.number for one in found] == [0, 1, 4, 5]
    rounds = {row.number: (row.candidate, row.decision) for row in filled.rounds_in_brief("r1")}
    assert all(rounds[one.number] == (one.candidate, one.decision) for one in found)


def test_scores_are_made_of_the_trials(filled: Store) -> None:
    trials = [trial for commit in ("aaa", "ddd") for trial in filled.trials("r1", commit)]
    scores = filled.scores("r1", ["aaa", "ddd"])
    assert len(scores) == len(trials) == 9
    for score, trial in zip(scores, trials, strict=True):
        assert all(getattr(score, name) == getattr(trial, name) for name in (*score._fields, "counts"))
    of_rounds = filled.scores_of_rounds("r1", 2, 2)
    assert {score.candidate for score in of_rounds} == {"aaa", "bbb", "ccc"}, "the seed, the round, and its parent"


def test_the_trials_of_a_round_are_those_of_the_view(filled: Store) -> None:
    assert filled.trial_rows("r1", 0) == filled.view("trials", "r1", 0) != []
    assert filled.trial_rows("r1", 3) == []


def test_a_task_is_scored_across_candidates_and_a_round_over_its_tasks(filled: Store) -> None:
    known = [row for row in filled.view("task_matrix", "r1") if row["task"] == "sort"]
    assert [(one.round, one.trials, one.passes, one.mean_reward) for one in filled.task_scores("r1", "sort")] == [
        (row["round"], row["trials"], row["passes"], row["mean_reward"]) for row in known
    ]
    scores = {(one.round, one.split): one.mean_reward for one in filled.round_scores("r1", 0, 4)}
    for row in filled.view("history", "r1"):
        for split in (Split.TRAIN, Split.VALIDATION):
            assert scores.get((row["round"], split)) == row[f"{split}_score"]
    assert {one.round for one in filled.round_scores("r1", 1, 1)} == {1}


def test_narrow_readers_use_an_index(filled: Store) -> None:
    dialect = filled._engine.dialect
    narrow = [
        queries.scores_of("r1", ["aaa"]),
        queries.scores_of_rounds("r1", queries.Rounds(2, 3)),
        queries.task_scores("r1", "sort"),
        queries.round_scores("r1", queries.Rounds(2, 3)),
        queries.trial_rows("r1", 2),
        queries.trial_groups("r1", 5),
        queries.history("r1", 2, 3, figures=True),
    ]
    with filled._read() as connection:
        for query in narrow:
            sql = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
            assert any("SEARCH t" in step for step in plan), plan
            assert not [step for step in plan if re.match(r"SCAN (trial|t)\b", step)], plan
