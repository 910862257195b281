"""Seed scaffolds and suites with which no run can work, found out by their first trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.errors import BadInput
from evolve.core.gate_config import GateConfig
from evolve.core.records import Outcome, Split, TrialResult, TrialSpec, Usage
from evolve.gate import TaskSlot, calibrate
from evolve.loop.seed_check import FIRST_TRIALS, common_problem, end_of_output
from evolve.trial import trajectory
from tests.fakes import ScoringEvaluator, chat_event, result
from tests.test_loop import RUN, Run, by_level, opened, proposing, write_repository
from tests.test_loop_stops import Notices

WORKED = Usage(calls=3, prompt_tokens=100, completion_tokens=9, commands=2)
REFUSED = Usage(calls=2)
CRASH = "exit status 1: Traceback\n  File x, line 7\nKeyError: 'plan'"


def trial(name: str, outcome: Outcome, detail: str = "", usage: Usage = WORKED, reward: float = 0.0) -> TrialResult:
    return result(name, reward, outcome=outcome, detail=detail, usage=usage)


def both(outcome: Outcome, detail: str, **more: Any) -> list[TrialResult]:
    return [trial("a", outcome, detail, **more), trial("b", outcome, detail.replace("7", "8"), **more)]


@pytest.mark.parametrize(
    ("trials", "problem"),
    [
        (both(Outcome.SCAFFOLD_ERROR, CRASH), "all 2 trials of the seed scaffold ended alike, whatever their task"),
        (both(Outcome.FAILED, "bash: line 1: /tests/test.sh: Permission denied"), "ended alike"),
        (both(Outcome.FAILED, "/tests/test.sh: 3: pytest: not found"), "ended alike"),
        (both(Outcome.FAILED, "no", usage=REFUSED), "no trial of the seed scaffold got an answer of the model"),
        (
            both(Outcome.TIMEOUT, "killed", usage=REFUSED),
            "got an answer of the model; 2 of 2 ended with timeout: killed",
        ),
        (both(Outcome.BUDGET, "spent", usage=Usage(commands=4)), "got an answer of the model"),
    ],
)
def test_what_has_nothing_to_do_with_tasks_is_a_problem(trials: list[TrialResult], problem: str) -> None:
    assert problem in common_problem(trials)


@pytest.mark.parametrize(
    "trials",
    [
        both(Outcome.TIMEOUT, "killed at the time limit"),
        both(Outcome.BUDGET, "the budget of calls was spent"),
        both(Outcome.FAILED, "FAILED (failures=1)"),
        both(Outcome.FAILED, "1 failed, 2 passed"),
        both(Outcome.FAILED, "./run.sh: 3: frobnicate: not found"),
        both(Outcome.SCAFFOLD_ERROR, CRASH)[:1],
        [trial("a", Outcome.SCAFFOLD_ERROR, CRASH), trial("b", Outcome.SCAFFOLD_ERROR, "ValueError: x")],
        [*both(Outcome.SCAFFOLD_ERROR, CRASH), trial("c", Outcome.PASSED, reward=1.0)],
        [*both(Outcome.FAILED, "no", usage=REFUSED), trial("c", Outcome.FAILED)],
        [],
    ],
)
def test_weak_scaffolds_are_a_normal_start(trials: list[TrialResult]) -> None:
    assert common_problem(trials) == ""


def test_the_reason_is_what_the_models_api_said_most_often() -> None:
    refused = both(Outcome.FAILED, "no", usage=REFUSED)
    assert common_problem(refused, ["no tools\nhere", "x", "no tools\nhere"]).endswith("of the model: no tools here")


def test_the_end_of_the_output_is_shown() -> None:
    lines = end_of_output([trial("b", Outcome.FAILED), *both(Outcome.SCAFFOLD_ERROR, "\n".join(["up"] * 90) + CRASH)])
    assert lines[0] == "the end of the output of a:" and lines[-1] == "  KeyError: 'plan'" and len(lines) < 15
    assert end_of_output([trial("b", Outcome.FAILED)]) == []


class Broken(ScoringEvaluator):
    """Every trial ends as `change` says; what the model's API said is in the recordings."""

    def __init__(self, starts: bool = True, **change: Any) -> None:
        super().__init__(by_level)
        self.starts, self.change, self.tried = starts, change, 0

    def run_one(self, spec: TrialSpec) -> TrialResult:
        self.tried += 1
        events = [chat_event([], error={"message": "x"})] if self.starts else []
        recording = trajectory.store(spec.folder / "trials" / "smoke.gz", spec.folder.parent, events)
        return replace(super().run_one(spec), recording=recording)

    def _result(self, spec: TrialSpec, reward: float | None) -> TrialResult:
        events = [chat_event([], error={"status": 400, "code": "x", "message": "tools are not supported"})]
        stored = trajectory.store(spec.folder / "trials" / f"{spec.key}.gz", spec.folder.parent, events)
        return replace(super()._result(spec, reward), recording=stored, **self.change)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def made(repository: Path, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    with opened(repository, tmp_path) as make:
        yield make


@pytest.mark.parametrize(
    ("starts", "change", "problem"),
    [
        (False, {"usage": Usage(), "outcome": Outcome.SCAFFOLD_ERROR, "detail": CRASH}, "made a model call"),
        (True, {"usage": WORKED, "outcome": Outcome.SCAFFOLD_ERROR, "detail": CRASH}, "ended alike"),
        (True, {"usage": REFUSED, "outcome": Outcome.FAILED, "detail": CRASH}, "model: tools are not supported"),
    ],
)
def test_a_run_stops_after_its_first_trials(
    made: Callable[..., Run], starts: bool, change: dict[str, Any], problem: str
) -> None:
    notices, evaluator = Notices(), Broken(starts, reward=0.0, **change)
    run = made(proposing(4), evaluator, watcher=notices)
    for _ in range(2):
        with pytest.raises(BadInput, match=problem) as stopped:
            run.play(3)
        assert stopped.value.exit_status == 2 and "\n" not in str(stopped.value)
        assert "  KeyError: 'plan'" in notices.texts
    assert len(run.store.trials(RUN)) == FIRST_TRIALS and run.store.holdout_looks(RUN) == []


def test_a_seed_that_works_is_tried_once_and_its_first_trials_count(made: Callable[..., Run]) -> None:
    evaluator = Broken(usage=WORKED)
    run = made(proposing(4), evaluator)
    run.search.start()
    run.search.start()
    assert evaluator.tried == 1 and len({spec.key for spec in evaluator.specs}) == len(evaluator.specs)


def slots(train: int, validation: int) -> list[TaskSlot]:
    names = [(f"t{n}", Split.TRAIN) for n in range(train)] + [(f"v{n}", Split.VALIDATION) for n in range(validation)]
    return [TaskSlot(name, split, "") for name, split in names]


@pytest.mark.parametrize(("train", "validation", "enough"), [(1, 0, False), (1, 1, False), (3, 2, True), (8, 4, True)])
def test_a_suite_of_a_few_tasks_shows_nothing(train: int, validation: int, enough: bool) -> None:
    assert (calibrate.detection(slots(train, validation), GateConfig()) >= calibrate.POWER) is enough
