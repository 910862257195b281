"""The pool of worker processes: what is tried again, and what ends it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.errors import BudgetExhausted, InfraError
from evolve.evaluate import TRIES, Evaluator, default_jobs
from evolve.records import Outcome, TrialResult, TrialSpec
from tests.fakes import result, task, trial_spec


def work(spec: TrialSpec) -> TrialResult:
    """What a worker does, by the task's name; each try leaves a line in the run's folder."""
    log = spec.folder / f"{spec.task.name}.log"
    with log.open("a") as file:
        file.write(f"{os.getpid()}\n")
    tries = len(log.read_text().splitlines())
    if spec.task.name == "dies":
        os._exit(1)
    if spec.task.name == "sleeps":
        time.sleep(60)
    if spec.task.name == "broken" or (spec.task.name == "shaky" and tries < TRIES):
        return result(spec.task.name, None, spec.attempt, detail="Traceback\nKeyError: 'x'")
    return result(spec.task.name, 0.0 if spec.task.name == "fails" else 1.0, spec.attempt)


def specs(folder: Path, *names: str) -> list[TrialSpec]:
    return [trial_spec(folder, task=task(name), attempt=number) for number, name in enumerate(names)]


@pytest.fixture(scope="module")
def pool() -> Iterator[Evaluator]:
    with Evaluator(1, work, pause_seconds=0.01) as made:
        yield made


def test_every_trial_gets_one_result(pool: Evaluator, tmp_path: Path) -> None:
    results: list[TrialResult] = []
    names = ["one", "fails", "two", "three"]
    pool.measure(specs(tmp_path, *names), results.append)
    assert sorted(r.task for r in results) == sorted(names)
    assert {r.task: r.reward for r in results}["fails"] == 0.0


def test_nothing_to_measure_is_fine(pool: Evaluator) -> None:
    pool.measure([], lambda _: None)


def test_an_infrastructure_error_is_told_and_tried_again(pool: Evaluator, tmp_path: Path) -> None:
    results: list[TrialResult] = []
    pool.measure(specs(tmp_path, "shaky", "one"), results.append)
    outcomes = [r.outcome for r in results if r.task == "shaky"]
    assert outcomes == [Outcome.INFRA_ERROR] * (TRIES - 1) + [Outcome.PASSED]


def test_a_failed_trial_is_not_tried_again(pool: Evaluator, tmp_path: Path) -> None:
    pool.measure(specs(tmp_path, "fails"), lambda _: None)
    assert len((tmp_path / "fails.log").read_text().splitlines()) == 1


def test_errors_without_end_are_an_error(pool: Evaluator, tmp_path: Path) -> None:
    results: list[TrialResult] = []
    with pytest.raises(InfraError, match=r"broken: 3 tries failed; the last: KeyError: 'x'"):
        pool.measure(specs(tmp_path, "broken"), results.append)
    assert len(results) == TRIES


def test_a_worker_that_is_killed_is_a_fault_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="worker process was killed"), Evaluator(1, work) as pool:
        pool.measure(specs(tmp_path, "dies"), lambda _: None)


def test_an_end_in_between_drops_the_trials_that_run(tmp_path: Path) -> None:
    def stop(_: TrialResult) -> None:
        raise BudgetExhausted("spent")

    started = time.monotonic()
    with pytest.raises(BudgetExhausted), Evaluator(1, work) as pool:
        pool.measure(specs(tmp_path, "one", "sleeps", "two"), stop)
    assert time.monotonic() - started < 30


def test_there_is_always_a_job() -> None:
    assert default_jobs() >= 1
