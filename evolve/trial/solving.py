"""Try a task without a scaffold: with its reference solution, run as the agent, or with nothing done."""

from __future__ import annotations

import contextlib

from evolve.core.records import TrialSpec
from evolve.sandbox.container import TaskState
from evolve.trial.grader_gateway import with_grader
from evolve.trial.judging import judge_state
from evolve.trial.run import populated_shell, sandboxes, trial_seconds
from evolve.trial.solution import solve_seconds, solve_step, solve_task
from evolve.trial.steps import play_steps
from evolve.trial.verdict import Judgement

SPARE_SECONDS = 60


def try_task(spec: TrialSpec, solve: bool) -> Judgement:
    """Judge what the reference solution leaves in a task's container, or what was there from the start.

    Raises:
        InfraError: The machine failed, or the task's environment or solution.
    """
    spec, door = with_grader(spec)
    task = spec.task
    ttl = int(trial_seconds(task, solve_seconds(task))) + SPARE_SECONDS

    def act(one: TrialSpec, own: TaskState) -> bool:
        if solve:
            solve_step(one, own, container)
        return True

    with sandboxes(spec, ttl, door) as (state, container):
        with contextlib.closing(populated_shell(container, state, task)) as shell:
            if solve and not task.format.steps:
                solve_task(task, state, container, shell)
        if task.format.steps:
            return play_steps(spec, state, container, ttl, act)
        return judge_state(spec, state, container, ttl)
