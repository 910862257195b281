"""Judge the state that an agent left, in the way that the task asks for."""

from __future__ import annotations

from evolve.core.records import TrialSpec, VerifierMode
from evolve.sandbox.container import Container
from evolve.sandbox.task_state import TaskState
from evolve.trial.in_place import judge_copy, judge_in_place
from evolve.trial.separate import judge_separately, run_collect_hooks
from evolve.trial.verdict import Judgement, checked, judge


def judge_state(spec: TrialSpec, state: TaskState, task: Container, ttl: int, keeps: bool = False) -> Judgement:
    """Judge what the agent left in the task's container, which it no longer uses.

    Args:
        keeps: The container is used again: it is not stopped.

    Raises:
        EvolveError: The machine failed, or the task can't be judged in its own image either.
    """
    return checked(state, _judge(spec, state, task, ttl, keeps))


def _judge(spec: TrialSpec, state: TaskState, task: Container, ttl: int, keeps: bool) -> Judgement:
    run_collect_hooks(state, task)
    if spec.task.verifier is VerifierMode.SHARED or (state.format.harbor and spec.task.verifier is VerifierMode.LIVE):
        return judge_in_place(spec, state, task, ttl)
    if state.format.verifier.environment is not None:
        return judge_separately(spec, state, task, ttl, state.format.verifier.environment, keeps)
    if state.format.harbor and spec.task.verifier is VerifierMode.ISOLATED:
        return judge_copy(spec, state, task, ttl)
    return judge(spec, state, task, ttl)
