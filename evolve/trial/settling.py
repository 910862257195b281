"""Grade what a trial left behind until it is decided what counts, by the rule of `grading`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

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
        step: The last step: COUNT, FAIL, RUN_AGAIN or GIVE_UP.
        state: What was kept of the state.
    """

    judgement: Judgement
    failed: int = 0
    step: Step = Step.COUNT
    state: StoredFile | None = None

    def __post_init__(self) -> None:
        if self.step in (Step.GRADE_AGAIN, Step.GRADE_UNTOUCHED, Step.GRADE_SOLVED):
            raise ValueError(f"nothing is settled yet: {self.step}")

    @property
    def ungraded(self) -> bool:
        """Whether the trial is void."""
        return self.step in (Step.RUN_AGAIN, Step.GIVE_UP)

    @property
    def given_up(self) -> bool:
        """Whether it is void because its grader is at fault."""
        return self.step is Step.GIVE_UP


class Silence(Protocol):
    """Whether a grader is known to write a reward for a solved task alone."""

    def is_known(self) -> bool: ...

    def note(self) -> None:
        """Note that it was seen."""
        ...


@dataclass(frozen=True)
class Others:
    """How other states of a task are graded.

    Attributes:
        untouched: Grades an environment in which nothing was done.
        solved: Grades what the reference solution leaves; None if there is none.
        silence: What is known of the task's grader; None: nothing.
    """

    untouched: Callable[[], Grade]
    solved: Callable[[], Grade] | None = None
    silence: Silence | None = None


def settle(grade: Callable[[], Judgement | None], others: Others | Callable[[], Grade], tries: int) -> Settled:
    """Grade a state, again if that fails, and the untouched one if it keeps failing.

    Args:
        grade: Grades the state once; None if that isn't possible again.
        others: How other states are graded; a function grades the untouched one, and there is no solution.
        tries: As for `next_step`.

    Raises:
        InfraError: The machine failed.
    """
    return _Settling(grade, others if isinstance(others, Others) else Others(others), tries).settle()


class _Settling:
    """One trial's gradings so far."""

    def __init__(self, grade: Callable[[], Judgement | None], others: Others, tries: int) -> None:
        self._grade, self._others, self._tries, self._regradable = grade, others, tries, True
        self._untouched, self._solved = Gradings(), None if others.solved is None else Gradings()
        first = grade()
        assert first is not None
        self._judgement, self._state = first, after_grade(Gradings(), first.grade)

    def settle(self) -> Settled:
        while True:
            step = self._next_step()
            if step is Step.GRADE_AGAIN:
                self._grade_again()
            elif step is Step.GRADE_UNTOUCHED:
                self._untouched = after_grade(self._untouched, self._others.untouched())
            elif step is Step.GRADE_SOLVED:
                self._grade_solved()
            else:
                return _settled(step, self._judgement, self._state, self._untouched.graded)

    def _next_step(self) -> Step:
        silence = self._others.silence
        known = self._state.always_silent and silence is not None and silence.is_known()
        return next_step(self._state, self._untouched, self._regradable, self._tries, self._solved, known)

    def _grade_again(self) -> None:
        again = self._grade()
        self._regradable = again is not None
        if again is not None:
            self._judgement, self._state = again, after_grade(self._state, again.grade)

    def _grade_solved(self) -> None:
        """Grade what the solution leaves; if that has a reward, the state once more, since a fault may have passed."""
        assert self._others.solved is not None and self._solved is not None
        self._solved = after_grade(self._solved, self._others.solved())
        if self._solved.graded and self._others.silence is not None:
            self._others.silence.note()
        if self._solved.graded and self._regradable:
            self._grade_again()


def after_grade(gradings: Gradings, grade: Grade) -> Gradings:
    """The gradings of a state with one more."""
    if isinstance(grade, Reward):
        return gradings.after_success()
    why = grade.why
    return gradings.after_failure(why is Ungraded.TIMEOUT, why is Ungraded.MISSING, why is Ungraded.BUDGET)


def _settled(step: Step, judgement: Judgement, state: Gradings, untouched: bool) -> Settled:
    """What counts after the last step. untouched: Whether the untouched environment could be graded."""
    if step is Step.COUNT:
        return Settled(judgement, state.failed)
    times = "once" if state.failed == 1 else f"{state.failed} times"
    beside = {
        Step.FAIL: f", though the {'untouched' if untouched else 'solved'} environment could",
        Step.GIVE_UP: "" if state.spent else ", nor could the untouched environment",
    }
    why = f"could not be graded ({times}){beside.get(step, '')}; {judgement.detail}"
    return Settled(replace(judgement, grade=Reward(0.0, 0.0), output=why), state.failed, step)
