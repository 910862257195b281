"""Graders that crash, hang or break, in real containers: what counts, and what is ungraded."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.records import (
    Fault,
    Limits,
    ModelSpec,
    Outcome,
    SandboxSpec,
    ScaffoldSource,
    Split,
    SuiteProfile,
    TrialResult,
    TrialSpec,
)
from evolve.sandbox import engine, images
from evolve.suite.tasks import load_task
from evolve.trial import verdict
from evolve.trial.grading import MOST_GRADINGS, MOST_TIMEOUTS, MOST_TRIES
from evolve.trial.reward import NoReward, Reward, Ungraded
from evolve.trial.run import run_trial

from .conftest import OWNER
from .test_grading import write_task

pytestmark = pytest.mark.docker
ANSWERS = "import evolve_door as door\ndoor.write('answer.txt', {text!r})\n"
# The reward is 1 for the right answer; the dice are no part of the state.
REWARD = "grep -q right /app/answer.txt && echo 1 > /logs/verifier/reward.txt || echo 0 > /logs/verifier/reward.txt"
FLAKY = f"[ $(od -An -N1 -tu1 /dev/urandom) -lt 128 ] && exit 1; {REWARD}"
BREAKABLE = f"grep -q break /app/answer.txt 2>/dev/null && exit 1; {REWARD}"
HANGING = f"grep -q break /app/answer.txt 2>/dev/null && sleep 60; {REWARD}"
BROKEN = "echo no network >&2; exit 1"
LIVE = '[verifier]\nenvironment_mode = "live"'
Run = Callable[..., TrialResult]
numbers = itertools.count()


@pytest.fixture
def run(tmp_path: Path, base: str) -> Run:
    """Run one trial of a scaffold that leaves an answer, at a task with this test."""

    def trial(
        test: str,
        text: str = "right",
        profile: SuiteProfile = SuiteProfile.STRICT,
        toml: str = "",
        seconds: float = 20,
        **changes: object,
    ) -> TrialResult:
        number = next(numbers)
        folder = write_task(tmp_path / f"task-{number}", test, toml)
        task = replace(load_task(folder, Split.TRAIN, profile), verifier_seconds=seconds)
        scaffold = tmp_path / f"scaffold-{number}"
        scaffold.mkdir()
        (scaffold / "main.py").write_text(ANSWERS.format(text=text))
        source = ScaffoldSource(scaffold, "main.py", base)
        spec = TrialSpec(
            "tests", "c" * 40, task, images.task_image(task, base), source, number, 7,
            ModelSpec("embedded"), Limits(seconds=30), SandboxSpec(memory_mb=128), tmp_path / "run", OWNER,
        )  # fmt: skip
        result = run_trial(replace(spec, **changes))  # type: ignore[arg-type]
        assert engine.sweep(OWNER) == 0, result
        return result

    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return trial


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """While it is not empty, each grading ends without a reward, and takes one from it."""
    left: list[str] = []

    real = verdict._read_grade

    def read(*arguments: Any) -> Reward | NoReward:
        grade = real(*arguments)
        return NoReward(Ungraded.CRASHED, left.pop()) if left else grade

    monkeypatch.setattr(verdict, "_read_grade", read)
    return left


@pytest.mark.parametrize("profile", SuiteProfile)
def test_a_grader_that_crashes_in_half_of_its_runs_changes_no_verdict(run: Run, profile: SuiteProfile) -> None:
    results = [run(FLAKY, text, profile) for text in ("right", "wrong") * 2]
    assert [result.reward for result in results] == [1.0, 0.0] * 2


@pytest.mark.parametrize("profile", SuiteProfile)
def test_a_state_is_graded_again_as_it_was_left(run: Run, profile: SuiteProfile, failing: list[str]) -> None:
    failing += ["crash", "crash"]
    result = run(REWARD, profile=profile)
    assert (result.outcome, result.reward, result.failed_gradings, failing) == (Outcome.PASSED, 1.0, 2, [])


@pytest.mark.parametrize("profile", SuiteProfile)
def test_who_breaks_the_grader_has_failed(run: Run, profile: SuiteProfile) -> None:
    result = run(BREAKABLE, "break", profile)
    assert (result.outcome, result.reward, result.fault) == (Outcome.FAILED, 0.0, Fault.NONE)
    assert result.failed_gradings == MOST_GRADINGS and "though the untouched environment could" in result.detail


def test_who_makes_the_tests_hang_has_failed_after_fewer_gradings(run: Run) -> None:
    result = run(HANGING, "break", seconds=2)
    assert (result.outcome, result.failed_gradings) == (Outcome.FAILED, MOST_TIMEOUTS)


@pytest.mark.parametrize("profile", SuiteProfile)
def test_a_grader_that_never_works_is_a_fault_of_its_own(run: Run, profile: SuiteProfile) -> None:
    result = run(BROKEN, profile=profile)
    assert (result.outcome, result.reward, result.fault) == (Outcome.INFRA_ERROR, None, Fault.GRADER)
    assert "nor could the untouched environment" in result.detail and "no network" in result.detail


@pytest.mark.parametrize(("toml", "test"), [(LIVE, BREAKABLE), ("", "kill -9 -1; sleep 1")])
def test_a_state_that_is_gone_is_run_again_a_bounded_number_of_times(run: Run, toml: str, test: str) -> None:
    test = test if toml else f"grep -q break /app/answer.txt 2>/dev/null && {test}; {REWARD}"
    results = [run(test, "break", toml=toml, ungraded=tries) for tries in range(MOST_TRIES)]
    assert [result.fault for result in results] == [Fault.GRADER] * (MOST_TRIES - 1) + [Fault.NONE]
    assert (results[-1].outcome, results[-1].reward) == (Outcome.FAILED, 0.0)


def test_the_untouched_environment_is_graded_once_for_each_task(run: Run, tmp_path: Path) -> None:
    run(REWARD)
    assert not (tmp_path / "run" / "untouched").exists()
    run(BREAKABLE, "break")
    (file,) = (tmp_path / "run" / "untouched").iterdir()
    written = file.stat().st_mtime_ns
    run(BREAKABLE, "break")
    assert file.stat().st_mtime_ns == written
