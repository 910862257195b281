"""The decision on a trial that could not be graded, over all combinations; no container is used."""

from __future__ import annotations

import itertools
import random

import pytest

from evolve.trial.grading import MOST_GRADINGS, MOST_TIMEOUTS, MOST_TRIES, Gradings, Step, next_step

FAILURES = [
    Gradings(failed, timeouts)
    for failed in range(MOST_GRADINGS + 1)
    for timeouts in range(min(failed, MOST_TIMEOUTS) + 1)
]
ALL = [*FAILURES, *(gradings.after_success() for gradings in FAILURES)]
CASES = list(itertools.product(ALL[1:], ALL, (True, False), range(1, MOST_TRIES + 1)))


def expected(state: Gradings, untouched: Gradings, regradable: bool, tries: int) -> Step:
    """The rule in other words."""
    few = state.failed < MOST_GRADINGS and state.timeouts < MOST_TIMEOUTS
    steps = [
        (state.graded, Step.COUNT),
        (few and regradable, Step.GRADE_AGAIN),
        (few and tries < MOST_TRIES, Step.RUN_AGAIN),
        (untouched.graded, Step.FAIL),
        (untouched.failed < MOST_GRADINGS and untouched.timeouts < MOST_TIMEOUTS, Step.GRADE_UNTOUCHED),
        (True, Step.GIVE_UP),
    ]
    return next(step for holds, step in steps if holds)


def test_every_combination_is_decided_as_the_rule_says() -> None:
    assert len(CASES) > 5_000
    for case in CASES:
        assert next_step(*case) is expected(*case), case


def test_a_reward_counts_however_often_grading_failed_before() -> None:
    assert {next_step(*case) for case in CASES if case[0].graded} == {Step.COUNT}


def test_a_state_is_ungraded_only_if_the_untouched_one_never_grades() -> None:
    for state, untouched, regradable, tries in CASES:
        if next_step(state, untouched, regradable, tries) is Step.GIVE_UP:
            assert untouched.exhausted and not untouched.graded and not state.graded


def test_the_untouched_state_is_graded_only_after_repeated_failures() -> None:
    for state, untouched, regradable, tries in CASES:
        if next_step(state, untouched, regradable, tries) is Step.GRADE_UNTOUCHED:
            assert state.exhausted or (not regradable and tries >= MOST_TRIES)


def decide(state_fails: float, untouched_fails: float, timeouts: float, regradable: bool, dice: random.Random) -> Step:
    """Follow the steps to the end, with graders that fail at random."""

    def graded(gradings: Gradings, fails: float) -> Gradings:
        return gradings.after_failure(dice.random() < timeouts) if dice.random() < fails else gradings.after_success()

    tries, untouched, state = 1, Gradings(), graded(Gradings(), state_fails)
    for _ in range(100):
        step = next_step(state, untouched, regradable, tries)
        if step is Step.GRADE_AGAIN:
            state = graded(state, state_fails)
        elif step is Step.RUN_AGAIN:
            tries, state = tries + 1, graded(Gradings(), state_fails)
        elif step is Step.GRADE_UNTOUCHED:
            untouched = graded(untouched, untouched_fails)
        else:
            return step
    raise AssertionError("the decision does not end")


@pytest.mark.parametrize("regradable", [True, False])
@pytest.mark.parametrize("timeouts", [0.0, 0.5, 1.0])
def test_who_always_breaks_the_grader_gains_nothing(regradable: bool, timeouts: float) -> None:
    dice = random.Random(7)
    for flakiness in (0.0, 0.2):
        steps = [decide(1.0, flakiness, timeouts, regradable, dice) for _ in range(500)]
        assert steps.count(Step.FAIL) >= 480 and Step.COUNT not in steps


@pytest.mark.parametrize("regradable", [True, False])
def test_a_grader_that_never_works_is_at_fault(regradable: bool) -> None:
    assert {decide(1.0, 1.0, 0.3, regradable, random.Random(7)) for _ in range(100)} == {Step.GIVE_UP}


def test_a_grader_that_crashes_in_a_fifth_of_its_runs_changes_no_verdict() -> None:
    dice = random.Random(7)
    steps = [decide(0.2, 0.2, 0.0, True, dice) for _ in range(20_000)]
    assert len(steps) - steps.count(Step.COUNT) <= 5


def test_impossible_counts_are_rejected() -> None:
    with pytest.raises(ValueError, match="can't have run out of time"):
        Gradings(1, 2)
