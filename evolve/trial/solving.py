"""Try a task without a scaffold: with its reference solution, run as the agent, or with nothing done."""

from __future__ import annotations

from evolve.core.records import TrialSpec
from evolve.trial.grader_gateway import with_grader
from evolve.trial.run import judge_without_scaffold, trial_seconds
from evolve.trial.solution import solve_seconds
from evolve.trial.verdict import Judgement

SPARE_SECONDS = 60


def try_task(spec: TrialSpec, solve: bool) -> Judgement:
    """Judge what the reference solution leaves in a task's container, or what was there from the start.

    Raises:
        InfraError: The machine failed, or the task's environment or solution.
    """
    spec, door = with_grader(spec)
    ttl = int(trial_seconds(spec.task, solve_seconds(spec.task))) + SPARE_SECONDS
    return judge_without_scaffold(spec, ttl, solve, door)
