"""What happens to a trial whose grading gave no reward: a pure decision.

A fault of the grader is irreproducible: the state is graded again, and a reward that comes then counts. A state on
which every grading fails although the untouched state can be graded has failed, so breaking the grader gains nothing.

Some graders write a reward for a solved task alone. If neither the state nor the untouched one ever gets a reward,
while what the reference solution leaves does, the state has failed too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

# A grader that crashes in a fifth of its runs fails six times in a row in one of 15,625 states.
MOST_GRADINGS = 6
# Each takes all of the verifier's time.
MOST_TIMEOUTS = 3
# Solving a task may take all of the agent's time.
MOST_SOLVED = 2
# Where a state can't be graded again, the trial is run again instead, which costs calls of the model.
MOST_TRIES = 3


class Step(StrEnum):
    """What to do next.

    COUNT: its reward counts. GRADE_AGAIN: grade the same state. RUN_AGAIN: the trial is void, and is run again.
    GRADE_UNTOUCHED: grade an environment in which nothing was done. GRADE_SOLVED: grade what the reference solution
    leaves. FAIL: the state is at fault, the reward is 0. GIVE_UP: the grader is at fault, the trial is ungraded.
    """

    COUNT = "count"
    GRADE_AGAIN = "grade_again"
    RUN_AGAIN = "run_again"
    GRADE_UNTOUCHED = "grade_untouched"
    GRADE_SOLVED = "grade_solved"
    FAIL = "fail"
    GIVE_UP = "give_up"


@dataclass(frozen=True)
class Gradings:
    """The gradings of one state.

    Attributes:
        failed: How many gave no reward.
        timeouts: How many of these ran out of time.
        graded: Whether one gave a reward.
        silent: How many of the failed ones simply wrote no reward.
        spent: Whether what they may ask a model was used up, so that another one would be the same.
    """

    failed: int = 0
    timeouts: int = 0
    graded: bool = False
    silent: int = 0
    spent: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.timeouts <= self.failed:
            raise ValueError(f"of {self.failed} failed gradings, {self.timeouts} can't have run out of time")
        if not 0 <= self.silent <= self.failed - self.timeouts:
            raise ValueError(f"of {self.failed} failed gradings, {self.silent} can't have written no reward")

    @property
    def exhausted(self) -> bool:
        """Whether the state has been graded often enough to know that it can't be."""
        return not self.graded and (self.failed >= MOST_GRADINGS or self.timeouts >= MOST_TIMEOUTS)

    @property
    def always_silent(self) -> bool:
        """Whether all of them ended without a reward, and in no other way."""
        return not self.graded and 0 < self.failed == self.silent

    def after_failure(self, timed_out: bool, silent: bool = False, spent: bool = False) -> Gradings:
        return replace(
            self,
            failed=self.failed + 1,
            timeouts=self.timeouts + timed_out,
            silent=self.silent + silent,
            spent=self.spent or spent,
        )

    def after_success(self) -> Gradings:
        return replace(self, graded=True)


def next_step(
    state: Gradings,
    untouched: Gradings,
    regradable: bool,
    tries: int,
    solved: Gradings | None = None,
    known_silent: bool = False,
) -> Step:
    """Decide what happens to a trial after so many gradings.

    Args:
        state: Of what the trial left behind, at least one.
        untouched: Of a fresh environment in which nothing was done.
        regradable: Whether the state can be graded again.
        tries: Which try of the trial this is, of those without a grade; the first is 1.
        solved: Of what the reference solution leaves; None if there is no solution.
        known_silent: The grader is known to write a reward for a solved task alone.
    """
    if state.graded:
        return Step.COUNT
    if state.spent:
        return Step.GIVE_UP
    if not state.exhausted and regradable:
        return Step.GRADE_AGAIN
    if state.always_silent and known_silent:
        return Step.FAIL
    if not state.exhausted and tries < MOST_TRIES:
        return Step.RUN_AGAIN
    if untouched.graded:
        return Step.FAIL
    if not untouched.exhausted and not untouched.spent:
        return Step.GRADE_UNTOUCHED
    if solved is None or not (state.always_silent and untouched.always_silent):
        return Step.GIVE_UP
    if solved.graded:
        return Step.FAIL
    return Step.GIVE_UP if solved.failed >= MOST_SOLVED or solved.spent else Step.GRADE_SOLVED
