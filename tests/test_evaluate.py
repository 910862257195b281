"""The pool of worker processes: what is retried, and what ends it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.errors import AccountError, BadInput, BudgetExhausted, DiskFull, EndpointError, EngineError, InfraError
from evolve.core.records import Fault, Limits, Outcome, TrialResult, TrialSpec
from evolve.executor.evaluate import TRIES, Evaluator, default_jobs, overdue_after
from evolve.executor.workers import Work
from evolve.host.circuit_breaker import Policy
from evolve.sandbox.cleanup import reaper
from evolve.trial.grading import MOST_GRADINGS, MOST_TRIES
from evolve.trial.run import SPARE_SECONDS
from tests.evaluated import SHAKY_TRIES, work
from tests.fakes import task, trial_spec


def specs(folder: Path, *names: str) -> list[TrialSpec]:
    return [trial_spec(folder, task=task(name), attempt=number) for number, name in enumerate(names)]


@pytest.fixture(scope="module")
def pool() -> Iterator[Evaluator]:
    with Evaluator(1, work, pause_seconds=0.01) as evaluator:
        yield evaluator


def test_every_trial_gets_one_result(pool: Evaluator, tmp_path: Path) -> None:
    results: list[TrialResult] = []
    names = ["one", "fails", "two", "three"]
    pool.measure(specs(tmp_path, *names), results.append)
    assert sorted(r.task for r in results) == sorted(names)
    assert {r.task: r.reward for r in results}["fails"] == 0.0


def test_nothing_to_measure_is_fine(pool: Evaluator) -> None:
    pool.measure([], lambda _: None)


def test_an_infrastructure_error_is_reported_and_retried(pool: Evaluator, tmp_path: Path) -> None:
    results: list[TrialResult] = []
    pool.measure(specs(tmp_path, "shaky", "one"), results.append)
    outcomes = [r.outcome for r in results if r.task == "shaky"]
    assert outcomes == [Outcome.INFRA_ERROR] * (TRIES - 1) + [Outcome.PASSED] and TRIES == SHAKY_TRIES


def test_a_failed_trial_is_not_retried(pool: Evaluator, tmp_path: Path) -> None:
    pool.measure(specs(tmp_path, "fails"), lambda _: None)
    assert len((tmp_path / "fails.log").read_text().splitlines()) == 1


def test_a_trial_that_always_fails_is_an_error(pool: Evaluator, tmp_path: Path) -> None:
    results: list[TrialResult] = []
    with pytest.raises(InfraError, match=r"broken: 3 tries failed; the last: KeyError: 'x'"):
        pool.measure(specs(tmp_path, "broken"), results.append)
    assert len(results) == TRIES


def test_a_trial_that_cannot_be_graded_is_run_again_and_then_left_out(pool: Evaluator, tmp_path: Path) -> None:
    results: list[TrialResult] = []
    pool.measure(specs(tmp_path, "grader-9", "one", "grader-2"), results.append)
    by_task = {name: [r.fault for r in results if r.task == name] for name in ("grader-9", "one", "grader-2")}
    lost = [Fault.GRADER] * MOST_TRIES
    assert by_task == {"grader-9": lost, "one": [Fault.NONE], "grader-2": [*lost[1:], Fault.NONE]}


def test_each_try_knows_how_many_before_it_could_not_be_graded(tmp_path: Path) -> None:
    results = measured(evaluator(), specs(tmp_path, "grader-2"))
    assert [result.detail for result in results] == ["no answer", "no answer", "2"]


def test_a_single_trial_that_cannot_be_graded_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="grader-9 could not be graded"), evaluator(run_inline=work) as pool:
        pool.run_one(*specs(tmp_path, "grader-9"))


def test_an_exception_drops_the_running_trials(tmp_path: Path) -> None:
    def stop(_: TrialResult) -> None:
        raise BudgetExhausted("spent")

    started = time.monotonic()
    with pytest.raises(BudgetExhausted), Evaluator(1, work) as pool:
        pool.measure(specs(tmp_path, "one", "sleeps", "two"), stop)
    assert time.monotonic() - started < 30


def test_there_is_always_a_job() -> None:
    assert default_jobs() >= 1


FAST = Policy(failures_to_open=2, first_pause=0.05, longest_pause=0.1, patience=300.0)
IMPATIENT = Policy(failures_to_open=2, first_pause=0.05, longest_pause=0.1, patience=1.0)


def evaluator(work: Work = work, jobs: int = 1, messages: list[str] | None = None, **more: Any) -> Evaluator:
    more = {"pause_seconds": 0.01, "policy": FAST, "restore": lambda _: None, "sweep": lambda *_: None, **more}
    return Evaluator(jobs, work, notify=(messages if messages is not None else []).append, **more)


def measured(pool: Evaluator, wanted: list[TrialSpec]) -> list[TrialResult]:
    results: list[TrialResult] = []
    with pool:
        pool.measure(wanted, results.append)
    return results


def test_a_worker_that_is_killed_is_replaced_and_its_trial_run_again(tmp_path: Path) -> None:
    swept: list[tuple[str, int]] = []
    pool = evaluator(sweep=lambda owner, pid: swept.append((owner, pid)))
    results = measured(pool, specs(tmp_path, "dies-once", "one"))
    reaper().wait()
    lost = next(r for r in results if not r.counts)
    assert (lost.task, lost.fault, lost.detail) == ("dies-once", Fault.OTHER, "the worker process was killed (Killed)")
    assert sorted(r.task for r in results if r.counts) == ["dies-once", "one"]
    died = int((tmp_path / "dies-once.log").read_text().split()[0])
    assert swept == [("run", died)]


def test_a_worker_that_dies_takes_no_other_trial_with_it(tmp_path: Path) -> None:
    results = measured(evaluator(jobs=2), specs(tmp_path, "slow", "dies-once"))
    assert len((tmp_path / "slow.log").read_text().split()) == 1
    assert sum(r.counts for r in results) == 2


def test_a_worker_that_dies_while_it_has_nothing_to_do_is_replaced(tmp_path: Path) -> None:
    with evaluator() as pool:
        pool.measure(specs(tmp_path, "one"), lambda _: None)
        os.kill(int((tmp_path / "one.log").read_text()), signal.SIGKILL)
        results: list[TrialResult] = []
        pool.measure(specs(tmp_path, "two"), results.append)
    assert sum(r.counts for r in results) == 1


def test_a_trial_whose_workers_always_die_ends_it(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match=r"dies: 3 tries failed; the last: the worker process exited"):
        measured(evaluator(), specs(tmp_path, "dies"))


def test_a_trial_that_hangs_is_killed_and_run_again(tmp_path: Path) -> None:
    results = measured(
        evaluator(jobs=2, overdue=lambda spec: 5.0 if spec.task.name == "hangs-once" else 600.0),
        specs(tmp_path, "hangs-once", "one"),
    )
    hung = next(r for r in results if not r.counts)
    assert (hung.task, hung.fault) == ("hangs-once", Fault.OTHER)
    assert hung.detail == "the trial hung and was killed after 5 s"
    assert sorted(r.task for r in results if r.counts) == ["hangs-once", "one"]
    first = int((tmp_path / "hangs-once.log").read_text().split()[0])
    assert not Path(f"/proc/{first}").exists()


def test_a_trial_has_its_own_time_and_a_generous_allowance() -> None:
    spec = trial_spec(limits=Limits(seconds=100), task=task())
    assert overdue_after(spec) == 100 + (1 + 2 * MOST_GRADINGS) * spec.task.verifier_seconds + SPARE_SECONDS + 1800
    paced = replace(spec, model=replace(spec.model, base_url="http://host.invalid/v1", requests_per_minute=6))
    assert overdue_after(paced) == overdue_after(spec) + 10 * spec.limits.calls


def test_fewer_trials_run_at_once_where_the_endpoint_refuses_calls(tmp_path: Path) -> None:
    messages: list[str] = []
    pool = evaluator(jobs=3, messages=messages)
    results = measured(pool, specs(tmp_path, *["crowd"] * 16))
    assert len(results) == 16 and pool.jobs < 3
    assert max(int(trial.detail) for trial in results[8:]) < 3
    assert messages[0] == "calls of the model are refused or delayed; trials at once: 2" and len(messages) <= 2


def test_more_trials_run_at_once_while_the_endpoint_answers(tmp_path: Path) -> None:
    pool = evaluator(jobs=2, first_jobs=1)
    assert pool.jobs == 1
    measured(pool, specs(tmp_path, "one", "two"))
    assert pool.jobs == 2


def test_each_trial_knows_how_many_run_beside_it(tmp_path: Path) -> None:
    results = measured(evaluator(jobs=2), specs(tmp_path, *["beside"] * 3))
    assert sorted(trial.detail for trial in results) in (["1", "2", "2"], ["2", "2", "2"])


@pytest.mark.parametrize("kind", ["endpoint", "engine"])
def test_an_outage_is_waited_out_and_costs_no_tries(tmp_path: Path, kind: str) -> None:
    messages: list[str] = []
    results = measured(evaluator(messages=messages), specs(tmp_path, f"{kind}-5", "one", "two"))
    assert [r.fault for r in results if not r.counts] == [Fault(kind)] * 5
    assert sorted(r.task for r in results if r.counts) == [f"{kind}-5", "one", "two"]


def test_during_an_outage_single_trials_probe_and_each_change_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    messages: list[str] = []
    results: list[TrialResult] = []

    def keep(result: TrialResult) -> None:
        results.append(result)
        if len(results) == 6:
            (tmp_path / "out").unlink()

    with evaluator(jobs=2, messages=messages) as pool:
        pool.measure(specs(tmp_path, *("while-out",) * 4), keep)
    assert sum(r.counts for r in results) == 4 and sum(not r.counts for r in results) <= 7
    first, *others, last = messages
    assert first.startswith("the model's API fails (no answer): no new trials for")
    assert all(one.startswith("the model's API still fails (no answer)") for one in others)
    assert last == "the model's API answers again: resuming"


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [("endpoint", EndpointError, "the model's API failed for 1 s"), ("engine", EngineError, "the container engine")],
)
def test_an_outage_without_end_is_an_error(tmp_path: Path, kind: str, error: type[InfraError], words: str) -> None:
    with pytest.raises(error, match=f"{words}.*; run the same command again to resume"):
        measured(evaluator(policy=IMPATIENT), specs(tmp_path, f"{kind}-999"))


def test_after_a_fault_the_engine_is_restored_before_another_trial_starts(tmp_path: Path) -> None:
    asked: list[str] = []

    def restore(notify: Callable[[str], None]) -> None:
        asked.append("again")
        if len(asked) < 3:
            raise BadInput("DOCKER_HOST", "no container engine answers there", "correct it")

    messages: list[str] = []
    results = measured(evaluator(restore=restore, messages=messages), specs(tmp_path, "engine-1", "one"))
    assert len(asked) == 3 and sum(not r.counts for r in results) == 1
    assert [one.split(" (")[0] for one in messages] == [
        "the container engine fails",
        "the container engine still fails",
        "the container engine answers again: resuming",
    ]


@pytest.mark.parametrize(("kind", "error"), [("account", AccountError), ("disk", DiskFull)])
def test_faults_that_waiting_does_not_fix_stop_at_once(tmp_path: Path, kind: str, error: type[InfraError]) -> None:
    results: list[TrialResult] = []
    with pytest.raises(error, match=r"no answer.*the same command again"), evaluator() as pool:
        pool.measure(specs(tmp_path, f"{kind}-1", "one"), results.append)
    assert [r.task for r in results] == [f"{kind}-1"]


def test_at_the_cap_no_trial_starts_and_running_ones_are_kept(tmp_path: Path) -> None:
    results = measured(evaluator(jobs=2), specs(tmp_path, "cap-1", "slow", "one", "two"))
    assert sorted(r.task for r in results if r.counts) == ["slow"]
    with pytest.raises(BudgetExhausted), evaluator(run_inline=work) as pool:
        pool.run_one(*specs(tmp_path / "..", "cap-1"))


def test_results_are_stored_while_another_trial_waits_for_its_next_try(tmp_path: Path) -> None:
    began, moments = time.monotonic(), dict[str, float]()
    with evaluator(jobs=2, pause_seconds=1.0) as pool:
        wanted = specs(tmp_path, "shaky", *map(str, range(4)))
        pool.measure(wanted, lambda r: moments.__setitem__(r.task, time.monotonic() - began))
    assert max(moments[str(n)] for n in range(4)) < moments["shaky"] - 1.0


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_wait_at_once(tmp_path: Path) -> None:
    slow = Policy(failures_to_open=1, first_pause=60.0, longest_pause=60.0)
    threading.Timer(2.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), evaluator(policy=slow) as pool:
        pool.measure(specs(tmp_path, "endpoint-1"), lambda _: None)
    assert time.monotonic() - began < 20


def test_a_user_who_asks_to_stop_waits_for_no_pause(tmp_path: Path) -> None:
    slow = Policy(failures_to_open=1, first_pause=60.0, longest_pause=60.0)
    results: list[TrialResult] = []
    began = time.monotonic()
    with evaluator(run_inline=work, policy=slow, should_stop=lambda: bool(results)) as pool:
        pool.measure(specs(tmp_path, "endpoint-9", "one"), results.append)
        with pytest.raises(KeyboardInterrupt):
            pool.run_one(*specs(tmp_path, "endpoint-99"))
    assert [r.fault for r in results] == [Fault.ENDPOINT] and time.monotonic() - began < 30


def test_a_single_trial_waits_for_the_machine_too(tmp_path: Path) -> None:
    messages: list[str] = []
    with evaluator(run_inline=work, messages=messages) as pool:
        assert pool.run_one(*specs(tmp_path, "engine-4")).counts
        with pytest.raises(AccountError):
            pool.run_one(*specs(tmp_path, "account-1"))
    assert messages[-1] == "the container engine answers again: resuming"
