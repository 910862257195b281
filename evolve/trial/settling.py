"""Grade what a trial left behind until it is decided what counts, by the rule of `grading`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from evolve.core.records import StoredFile
from evolve.trial.grading import Gradings, Step, next_step
from evolve.trial.reward import NoReward, Reward, Ungraded
from evolve.trial.verdict import Judgement

Grade = Reward | NoReward


@dataclass(frozen=True)
class Settled:
    """What counts.

    Attributes:
        judgement: The last one; where the state is at fault, one with the reward 0.
        failed: How many gradings of the state gave no reward.
        ungraded: Whether the trial is void; `given_up`: since its grader is at fault.
        state: What was kept of the state.
    """

    judgement: Judgement
    failed: int = 0
    ungraded: bool = False
    given_up: bool = False
    state: StoredFile | None = None


def settle(grade: Callable[[], Judgement | None], untouched: Callable[[], Grade], tries: int) -> Settled:
    """Grade a state, again if that fails, and the untouched one if it keeps failing.

    Args:
        grade: Grades the state once; None if that isn't possible again.
        untouched: Grades an environment in which nothing was done.
        tries: As for `next_step`.

    Raises:
        InfraError: The machine failed.
    """
    first = grade()
    assert first is not None
    judgement, state, other, regradable = first, after_grade(Gradings(), first.grade), Gradings(), True
    while True:
        step = next_step(state, other, regradable, tries)
        if step is Step.GRADE_AGAIN:
            again = grade()
            regradable = again is not None
            if again is not None:
                judgement, state = again, after_grade(state, again.grade)
        elif step is Step.GRADE_UNTOUCHED:
            other = after_grade(other, untouched())
        else:
            return _settled(step, judgement, state)


def after_grade(gradings: Gradings, grade: Grade) -> Gradings:
    """The gradings of a state with one more."""
    if isinstance(grade, Reward):
        return gradings.after_success()
    return gradings.after_failure(grade.why is Ungraded.TIMEOUT)


def _settled(step: Step, judgement: Judgement, state: Gradings) -> Settled:
    times = "once" if state.failed == 1 else f"{state.failed} times"
    if step is Step.FAIL:
        why = f"could not be graded ({times}), though the untouched environment could; {judgement.detail}"
        return Settled(replace(judgement, grade=Reward(0.0, 0.0), output=why), state.failed)
    if step is Step.COUNT:
        return Settled(judgement, state.failed)
    beside = ", nor could the untouched environment" if step is Step.GIVE_UP else ""
    why = f"could not be graded ({times}){beside}; {judgement.detail}"
    return Settled(
        replace(judgement, grade=Reward(0.0, 0.0), output=why),
        state.failed,
        ungraded=True,
        given_up=step is Step.GIVE_UP,
    )
