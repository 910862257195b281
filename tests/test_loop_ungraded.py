"""Graders that crash at random or for good, in the loop: decisions and scores are those of the same suite without."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.errors import GraderError
from evolve.core.records import Fault, Outcome, Split, TrialResult, TrialSpec
from evolve.trial.grading import MOST_TRIES
from evolve.trial.reward import NoReward, Reward, Ungraded
from evolve.trial.settling import Grade, settle
from evolve.trial.verdict import Judgement
from tests.fakes import ScoringEvaluator
from tests.test_loop import RUN, Run, by_level, made, opened, proposing, repository, verdicts

__all__ = ["made", "repository"]
CRASH = NoReward(Ungraded.CRASHED, "the tests wrote no reward")
LEVELS = (4, 0, 3, 5, 2)


class Grading(ScoringEvaluator):
    """Its trials' graders give no reward where `crashes` says so; all else is as in `trial.run` and the executor.

    crashes: given the trial, and whether the state is the untouched one.
    """

    def __init__(self, crashes: Callable[[TrialSpec, bool], bool]) -> None:
        super().__init__(by_level)
        self.crashes, self.gradings = crashes, 0

    def measure(self, specs: Any, on_result: Any, may_start: Any = lambda: True) -> None:
        for spec in specs:
            if not may_start():
                return
            for tries in range(1, MOST_TRIES + 1):
                done: list[TrialResult] = []
                super().measure([spec], done.append)
                on_result(settled := self._settled(spec, done[0], tries))
                if settled.counts:
                    break

    def _settled(self, spec: TrialSpec, result: TrialResult, tries: int) -> TrialResult:
        assert result.reward is not None
        left = settle(
            lambda: Judgement(self._grade(spec, result.reward or 0.0, False), ""),
            lambda: self._grade(spec, 0.0, True),
            tries,
        )
        changed = replace(result, failed_gradings=left.failed)
        if left.ungraded:
            detail = left.judgement.detail
            return replace(changed, outcome=Outcome.INFRA_ERROR, reward=None, fault=Fault.GRADER, detail=detail)
        reward = left.judgement.reward
        return replace(changed, reward=reward, outcome=Outcome.PASSED if reward == 1 else Outcome.FAILED)

    def _grade(self, spec: TrialSpec, reward: float, untouched: bool) -> Grade:
        self.gradings += 1
        return CRASH if self.crashes(spec, untouched) else Reward(reward, reward)


def played(made: Callable[..., Run], evaluator: ScoringEvaluator) -> list[dict[str, Any]]:
    """The rounds of a run, without what differs by nature."""
    run = made(proposing(*LEVELS), evaluator)
    run.play(len(LEVELS))
    rows = run.store.view("history", RUN)
    return [{name: value for name, value in row.items() if name not in ("minutes", "commit_sha")} for row in rows]


def test_a_grader_that_crashes_in_a_fifth_of_its_runs_changes_no_decision_and_no_score(
    repository: Path, tmp_path: Path
) -> None:
    dice = random.Random(7)
    flaky = Grading(lambda spec, untouched: dice.random() < 0.2)
    histories = []
    for name, evaluator in (("clean", ScoringEvaluator(by_level)), ("flaky", flaky)):
        (tmp_path / name).mkdir()
        with opened(repository, tmp_path / name) as make:
            histories.append(played(make, evaluator))
    assert histories[0] == histories[1]
    trials = sum(row["trials"] for row in histories[0])
    assert flaky.gradings > 1.15 * trials


def test_who_breaks_the_grader_where_it_fails_gains_nothing(made: Callable[..., Run]) -> None:
    """The patch of level 2 passes some tasks; void trials at all others would make it look perfect."""

    def breaks(spec: TrialSpec, untouched: bool) -> bool:
        text = text_of(spec)
        return not untouched and "LEVEL = 2" in text and by_level(text, spec) == 0.0

    run = made(proposing(2), Grading(breaks))
    run.play(1)
    patched = run.store.trials(RUN, run.store.candidates(RUN)[1].commit)
    assert {(trial.counts, trial.fault) for trial in patched} == {(True, Fault.NONE)}
    broken = [trial for trial in patched if trial.failed_gradings]
    assert broken and {trial.reward for trial in broken} == {0.0}
    assert {trial.reward for trial in patched if not trial.failed_gradings} == {1.0}


def text_of(spec: TrialSpec) -> str:
    return (spec.scaffold.folder / "main.py").read_text()


def test_a_decision_that_needs_what_cannot_be_graded_stops_the_run_with_one_line(made: Callable[..., Run]) -> None:
    run = made(proposing(4), Grading(lambda spec, _: spec.task.name == "train-03"))
    with pytest.raises(GraderError, match=r"train-03 could not be graded.*untouched.*run the same command again"):
        run.play(1)
    ungraded = [trial for trial in run.store.trials(RUN) if not trial.counts]
    assert len(ungraded) == MOST_TRIES and {trial.fault for trial in ungraded} == {Fault.GRADER}


def test_a_score_says_what_could_not_be_graded_and_the_run_goes_on(made: Callable[..., Run]) -> None:
    run = made(proposing(4), Grading(lambda spec, _: spec.task.name == "holdout-01"))
    run.play(1)
    assert verdicts(run) == ["baseline", "keep"]
    holdout = [trial for trial in run.store.trials(RUN) if trial.split is Split.HOLDOUT]
    assert {trial.task for trial in holdout if not trial.counts} == {"holdout-01"}
    assert {trial.task for trial in holdout if trial.counts} == {"holdout-00", "holdout-02", "holdout-03"}


def test_a_run_stopped_by_a_grader_is_resumed_when_it_works_again(made: Callable[..., Run]) -> None:
    with pytest.raises(GraderError):
        made(proposing(4), Grading(lambda spec, _: spec.task.name == "validation-03")).play(1)
    again = made(proposing(4), Grading(lambda spec, _: False))
    again.play(1)
    assert verdicts(again) == ["baseline", "keep"]
