"""The decision on a trial that could not be graded, over all combinations; no container is used."""

from __future__ import annotations

import itertools
import random

import pytest

from evolve.trial.grading import MOST_GRADINGS, MOST_SOLVED, MOST_TIMEOUTS, MOST_TRIES, Gradings, Step, next_step
from evolve.trial.reward import NoReward, Reward, Ungraded
from evolve.trial.settling import Others, settle
from evolve.trial.verdict import Judgement

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

    with pytest.raises(ValueError, match="can't have written no reward"):
        Gradings(2, 1, silent=2)


SILENT = Gradings(MOST_GRADINGS, silent=MOST_GRADINGS)


def test_what_may_be_asked_is_used_up_only_once() -> None:
    assert next_step(Gradings().after_failure(False, spent=True), Gradings(), True, 1) is Step.GIVE_UP
    assert next_step(SILENT, Gradings(1, spent=True), True, 1, Gradings()) is Step.GIVE_UP


@pytest.mark.parametrize(
    ("state", "untouched", "solved", "step"),
    [
        (SILENT, SILENT, Gradings(), Step.GRADE_SOLVED),
        (SILENT, SILENT, Gradings(graded=True), Step.FAIL),
        (SILENT, SILENT, Gradings(1, silent=1), Step.GRADE_SOLVED),
        (SILENT, SILENT, Gradings(MOST_SOLVED, silent=MOST_SOLVED), Step.GIVE_UP),
        (SILENT, SILENT, None, Step.GIVE_UP),
        (Gradings(MOST_GRADINGS), SILENT, Gradings(), Step.GIVE_UP),
        (SILENT, Gradings(MOST_GRADINGS), Gradings(), Step.GIVE_UP),
        (Gradings(MOST_GRADINGS, silent=MOST_GRADINGS - 1), SILENT, Gradings(), Step.GIVE_UP),
    ],
)
def test_a_grader_may_write_a_reward_for_a_solved_task_alone(
    state: Gradings, untouched: Gradings, solved: Gradings | None, step: Step
) -> None:
    assert next_step(state, untouched, True, 1, solved) is step


@pytest.mark.parametrize("regradable", [True, False])
def test_where_that_is_known_a_silent_grading_is_a_failure(regradable: bool) -> None:
    assert next_step(SILENT, Gradings(), regradable, 1, Gradings(), known_silent=True) is Step.FAIL
    once = Gradings(1, silent=1)
    expected = Step.GRADE_AGAIN if regradable else Step.FAIL
    assert next_step(once, Gradings(), regradable, 1, Gradings(), known_silent=True) is expected
    crashed = Gradings(1)
    assert next_step(crashed, Gradings(), False, 1, Gradings(), known_silent=True) is Step.RUN_AGAIN


class Silence:
    """What is known of a grader."""

    def __init__(self) -> None:
        self.known = False

    def is_known(self) -> bool:
        return self.known

    def note(self) -> None:
        self.known = True


NOTHING = NoReward(Ungraded.MISSING, "the tests wrote no reward")


def settled(state: list[Reward | NoReward], solved: Reward | NoReward, silence: Silence) -> tuple[Step, float]:
    """Settle a state with these gradings, the last one for ever, of a grader that is silent on the untouched one."""
    left = list(state)

    def grade() -> Judgement:
        return Judgement(left.pop(0) if len(left) > 1 else left[0], "")

    found = settle(grade, Others(lambda: NOTHING, lambda: solved, silence), 1)
    return found.step, found.judgement.reward


def test_a_state_that_is_silent_for_a_silent_grader_has_failed() -> None:
    silence = Silence()
    assert settled([NOTHING], Reward(1.0, 1.0), silence) == (Step.FAIL, 0.0) and silence.known
    assert settled([NOTHING], NOTHING, Silence()) == (Step.GIVE_UP, 0.0)


def test_a_fault_that_passed_meanwhile_fails_nobody() -> None:
    outage: list[Reward | NoReward] = [NOTHING] * MOST_GRADINGS
    assert settled([*outage, Reward(1.0, 1.0)], Reward(1.0, 1.0), Silence()) == (Step.COUNT, 1.0)


def test_a_spent_budget_is_nobodys_failure() -> None:
    spent = NoReward(Ungraded.BUDGET, "the grader's budget of calls is spent")
    assert settled([spent], Reward(1.0, 1.0), Silence()) == (Step.GIVE_UP, 0.0)
