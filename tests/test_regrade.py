"""`evolve regrade`: which states can be graded again, what is stored of it, and what it changes."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evolve import cli
from evolve.core.caps import Caps
from evolve.core.errors import BadInput, BudgetExhausted, InfraError, Locked
from evolve.core.records import (
    Fault,
    Grader,
    Grading,
    Limits,
    ModelSpec,
    Outcome,
    Split,
    StoredFile,
    Task,
    TrialResult,
    TrialSpec,
    Usage,
    VerifierMode,
)
from evolve.host.locks import hold_lock
from evolve.loop.watcher import SilentWatcher
from evolve.maintenance import gc
from evolve.runs import regrade as regrading
from evolve.runs.regrade import KeptState, find_states, regrade_run
from evolve.runs.regrades import regraded_trials, with_regrades
from evolve.runs.results import fresh_coverage, fresh_scores
from evolve.runs.stored_config import stored_config
from evolve.store import Regrade, SessionRow, Store
from evolve.suite.tasks import Suite
from evolve.trial.reward import NoReward, Reward, Ungraded
from evolve.trial.verdict import Judgement
from tests.fakes import result, task
from tests.played import RUN, RUNS

AT = "2026-11-23T22:00:00+00:00"
GRADED = Judgement(Reward(0.5, 0.5), "half of it")
NONE_AGAIN = Judgement(NoReward(Ungraded.MISSING, "the tests wrote no reward"), "no network")


def ungraded(
    commit: str, name: str = "train-0", state: bool = True, attempt: int = 900, **changes: object
) -> TrialResult:
    """An ungraded trial; its state is a file that exists."""
    trial = result(name, None, attempt, fault=Fault.GRADER, candidate=commit, detail="no network", **changes)
    if not state:
        return trial
    file = RUNS / RUN / "states" / f"{name}-{attempt}.tar.gz"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(f"state of {name}".encode())
    return replace(trial, state=StoredFile(f"{RUN}/states/{file.name}", hashlib.sha256(file.read_bytes()).hexdigest()))


@pytest.fixture
def store(played_home: Path) -> Iterator[Store]:
    with Store.open(RUNS / "evolve.db") as opened:
        yield opened


@pytest.fixture
def graded_as(monkeypatch: pytest.MonkeyPatch) -> list[Judgement]:
    """The judgements that gradings give, in order; the machine is left alone."""
    judgements: list[Judgement] = []

    def grade(spec: TrialSpec, archive: bytes) -> Judgement:
        assert archive == f"state of {spec.task.name}".encode()
        return judgements.pop(0)

    suite = Suite(Path(), tuple(task(f"{split}-{n}", split) for split in Split for n in range(8)))
    monkeypatch.setattr(regrading, "regrade", grade)
    monkeypatch.setattr(regrading, "suite_of_run", lambda row, runs: suite)
    nothing = SimpleNamespace(bring_up=lambda _: None, sweep=lambda _: 0, sweep_dead=lambda: None)
    monkeypatch.setattr(regrading, "engine", nothing)
    monkeypatch.setattr(regrading, "leftovers", nothing)
    monkeypatch.setattr(
        regrading, "images", SimpleNamespace(base_image=lambda _: "b", task_image=lambda task, base: None)
    )
    return judgements


def commit_of(store: Store, number: int) -> str:
    return store.candidates(RUN)[number].commit


def regraded(store: Store, number: int | None = None) -> list[float | None]:
    row = store.run(RUN)
    assert row is not None
    return [one.result.reward for one in regrade_run(store, row, RUNS, number, SilentWatcher()).done]


def test_each_regrade_is_a_row_and_no_row_of_a_trial_changes(store: Store, graded_as: list[Judgement]) -> None:
    for number in (0, 1):
        store.add_trial(RUN, ungraded(commit_of(store, number), f"train-{number}"))
    before, history = store.trials(RUN), store.view("history", RUN)
    graded_as += [NONE_AGAIN, GRADED]
    assert regraded(store) == [None, 0.5]
    assert (store.trials(RUN), store.view("history", RUN)) == (before, history)
    first, second = store.regrades(RUN)
    assert (first.reward, first.why, first.detail) == (None, "missing: the tests wrote no reward", "no network")
    assert (second.reward, second.why, second.detail) == (0.5, "", "half of it")
    graded_as += [GRADED]
    assert regraded(store) == [0.5] and len(store.regrades(RUN)) == 3
    with pytest.raises(BadInput, match="all of its kept states have a reward by now"):
        regraded(store)


def test_one_round_alone(store: Store, graded_as: list[Judgement]) -> None:
    for number in (0, 1):
        store.add_trial(RUN, ungraded(commit_of(store, number), f"train-{number}"))
    graded_as += [GRADED]
    assert regraded(store, 1) == [0.5]
    assert store.kept_states(RUN)[store.regrades(RUN)[0].trial].task == "train-1"
    with pytest.raises(BadInput, match=r"round 2 of run .* has no ungraded trial"):
        regraded(store, 2)


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of all tasks but train-0 ask a model."""
    real = regrading._spec

    def spec_of(run: str, state: KeptState, one: Task, *more: Any) -> TrialSpec:
        grader = Grader(ModelSpec("g"), Limits(), "image")
        return replace(real(run, state, one, *more), grader=None if one.name == "train-0" else grader)

    monkeypatch.setattr(regrading, "_spec", spec_of)


@pytest.mark.usefixtures("asking")
def test_tests_ask_no_model_beyond_the_caps_of_the_run(
    store: Store, graded_as: list[Judgement], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        store.add_trial(RUN, ungraded(commit_of(store, 0), f"train-{number}"))
    spent = store.spent(RUN).tokens
    monkeypatch.setenv("EVOLVE_BUDGET_TOKENS", str(spent))
    graded_as += [GRADED]
    assert command(monkeypatch, "regrade", RUN) == 1
    shown = capsys.readouterr()
    assert "train-0, attempt 900" in shown.out and "1 of 1 states" in shown.out
    assert f"the budget of {spent} tokens is spent, so 2 states whose tests ask a model were not graded" in shown.err
    monkeypatch.setenv("EVOLVE_BUDGET_TOKENS", str(spent + 1))
    graded_as += [GRADED, GRADED]
    assert command(monkeypatch, "regrade", RUN) == 0


def test_what_was_asked_before_a_cap_was_reached_counts(
    store: Store, graded_as: list[Judgement], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(spec: TrialSpec, archive: bytes, door: object) -> Judgement:
        raise BudgetExhausted("the run's budget is spent")

    door = SimpleNamespace(grading=Grading("g", Usage(calls=3, prompt_tokens=9)))
    monkeypatch.setattr(regrading, "with_grader", lambda spec, terms: (spec, door))
    monkeypatch.setattr(regrading, "regrade", exhausted)
    store.add_trial(RUN, ungraded(commit_of(store, 0)))
    before = store.spent(RUN).calls
    assert regraded(store) == [None]
    assert store.regrades(RUN)[-1].why == "budget: the run's budget is spent"
    assert store.spent(RUN).calls == before + 3


def test_caps_are_those_of_the_last_session_or_given(store: Store) -> None:
    row = SessionRow(AT, "0", "host", 1, json.dumps({"usd": 2.0, "tokens": 70, "seconds": 5.0, "trials": 4}))
    store.start_session(RUN, row)
    assert regrading.spending_caps(store, RUN, Caps()) == Caps(usd=2.0, tokens=70)
    assert regrading.spending_caps(store, RUN, Caps(usd=0.0)) == Caps(usd=0.0, tokens=70)


def test_what_cannot_be_graded_again_is_refused_by_name(store: Store) -> None:
    with pytest.raises(BadInput, match="has no ungraded trial"):
        find_states(store, RUN, RUNS, None)
    seed = commit_of(store, 0)
    store.add_trial(RUN, ungraded(seed, state=False, verifier=VerifierMode.SHARED))
    with pytest.raises(BadInput, match=r"verifier mode shared\), where no state can be kept; resume the run"):
        find_states(store, RUN, RUNS, None)
    (RUNS / RUN / "states").mkdir()
    store.add_trial(RUN, trial := ungraded(seed))
    assert trial.state
    (RUNS / trial.state.path).unlink()
    with pytest.raises(BadInput, match="not there any more; resume"):
        find_states(store, RUN, RUNS, None)


def test_a_strict_suite_without_kept_states_says_so(store: Store) -> None:
    store.add_trial(RUN, ungraded(commit_of(store, 0), state=False))
    with pytest.raises(BadInput, match="no state of its ungraded trials was kept"):
        find_states(store, RUN, RUNS, None)


def test_a_state_that_has_changed_is_not_graded(store: Store, graded_as: list[Judgement]) -> None:
    trial = ungraded(commit_of(store, 0))
    store.add_trial(RUN, trial)
    assert trial.state
    (RUNS / trial.state.path).write_bytes(b"other")
    with pytest.raises(InfraError, match="has changed since it was kept"):
        regraded(store)
    assert store.regrades(RUN) == []


def test_a_run_at_work_is_left_alone(store: Store, graded_as: list[Judgement]) -> None:
    store.add_trial(RUN, ungraded(commit_of(store, 0)))
    with hold_lock(RUNS / RUN / "lock", RUN), pytest.raises(Locked):
        regraded(store)


def test_a_regraded_state_counts_in_scores_that_decide_nothing(store: Store) -> None:
    seed = store.candidates(RUN)[0]
    for name in ("holdout-0", "holdout-1"):
        store.add_tasks(RUN, [task(name, Split.HOLDOUT)])
        store.add_trial(RUN, ungraded(seed.commit, name, split=Split.HOLDOUT, attempt=0))
    row = store.run(RUN)
    assert row is not None
    config = stored_config(row).model_copy(update={"holdout_attempts": 1})
    assert fresh_scores(store, RUN, seed)[Split.HOLDOUT] is None
    assert str(fresh_coverage(store, RUN, seed, config)[Split.HOLDOUT]) == "0 of 2"
    store.add_regrade(RUN, Regrade(next(iter(store.kept_states(RUN))), AT, 1.0, 1.0))
    measured = fresh_scores(store, RUN, seed)[Split.HOLDOUT]
    assert measured is not None and measured.mean == 1.0
    assert str(fresh_coverage(store, RUN, seed, config)[Split.HOLDOUT]) == "1 of 2"
    added = regraded_trials(store, RUN, seed.commit)[-1]
    assert (added.task, added.outcome, added.fault) == ("holdout-0", Outcome.PASSED, Fault.NONE)


def test_a_trial_that_counts_is_never_replaced() -> None:
    lost, run_again = result(reward=None, fault=Fault.GRADER), result(reward=0.0)
    assert with_regrades([lost, run_again], {1: lost}, [Regrade(1, AT, 1.0, 1.0)]) == [lost, run_again]
    twice = with_regrades([lost], {1: lost}, [Regrade(1, AT, 1.0, 0.25), Regrade(1, AT, 1.0, 1.0)])
    assert [trial.reward for trial in twice] == [None, 0.25]


def test_gc_removes_kept_states_and_regrade_says_so(store: Store) -> None:
    store.add_trial(RUN, trial := ungraded(commit_of(store, 0)))
    assert trial.state
    request = gc.GcRequest(datetime.now(UTC) + timedelta(hours=1), frozenset({"states"}))
    planned = gc.plan(RUNS, store, request)
    assert [(entry.part, entry.names) for entry in planned.entries] == [("states", (trial.state.path,))]
    gc.remove(RUNS, store, request, planned)
    with pytest.raises(BadInput, match="`evolve gc` removed them"):
        find_states(store, RUN, RUNS, None)


def test_gc_keeps_what_is_recent(store: Store) -> None:
    store.add_trial(RUN, ungraded(commit_of(store, 0)))
    old = gc.GcRequest(datetime(2026, 1, 1, tzinfo=UTC), frozenset({"states"}))
    assert gc.plan(RUNS, store, old).entries == ()


def test_the_command_prints_rewards_and_ends_with_1_where_there_is_none(
    store: Store, graded_as: list[Judgement], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("train-0", "train-1"):
        store.add_trial(RUN, ungraded(commit_of(store, 0), name))
    graded_as += [GRADED, NONE_AGAIN]
    assert command(monkeypatch, "regrade", RUN) == 1
    shown = capsys.readouterr().out
    assert "train-0, attempt 900 of" in shown and "reward 0.5" in shown and "no reward again (missing" in shown
    assert "1 of 2 states have a reward now" in shown
    graded_as += [GRADED]
    assert command(monkeypatch, "regrade", "--json") == 0
    assert [row["reward"] for row in json.loads(capsys.readouterr().out)] == [0.5]
    assert command(monkeypatch, "regrade", RUN, "--round", "7") == 2


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["evolve", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("passed", "outcome"), [(True, Outcome.PASSED), (False, Outcome.FAILED), (None, Outcome.FAILED)]
)
def test_a_regraded_state_passes_by_its_tasks_scale(passed: bool | None, outcome: Outcome) -> None:
    lost = ungraded("c", state=False)
    added = with_regrades([lost], {1: lost}, [Regrade(1, AT, 1.0, 0.75, passed=passed)])[-1]
    assert (added.outcome, added.reward) == (outcome, 0.75)


def test_what_passes_and_what_was_asked_is_stored(store: Store) -> None:
    (key, _), *_ = [*store.kept_states(RUN).items()] or [(1, None)]
    before = store.spent(RUN)
    grading = Grading("judge", Usage(calls=2, prompt_tokens=10, completion_tokens=5, cost_usd=0.5))
    store.add_regrade(RUN, Regrade(key, AT, 1.0, 0.75, "", "", True, grading))
    assert store.regrades(RUN)[-1].is_pass
    assert (store.spent(RUN).calls, store.spent(RUN).cost_usd) == (before.calls + 2, before.cost_usd + 0.5)
    assert sum(row["calls"] for row in store.view("cost", RUN) if row["purpose"] == "grading") == 2


def test_what_the_tests_of_a_trial_asked_comes_back_whole(store: Store) -> None:
    commit = commit_of(store, 0)
    recording = StoredFile(f"{RUN}/trials/x.grader.jsonl.gz", "0" * 64)
    grading = Grading("judge", Usage(calls=1, prompt_tokens=7, retries=1, lost_seconds=2.0), recording)
    store.add_trial(RUN, replace(result("train-0", 1.0, 950, candidate=commit), grading=grading))
    trial = next(trial for trial in store.trials(RUN, commit) if trial.attempt == 950)
    assert trial.grading == grading and recording in trial.files and trial.usage.calls != 1
