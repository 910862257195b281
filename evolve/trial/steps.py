"""Tasks of several steps: each with an instruction, tests and files of its own, in one container.

The agent works on one step after another. Tests and rewards of a step are removed before the next one begins.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from evolve.core.errors import InfraError
from evolve.core.records import Limits, Task, TaskImage, TrialSpec, Usage
from evolve.core.task_format import RewardStrategy, Step
from evolve.sandbox.archive import pack
from evolve.sandbox.container import Container
from evolve.sandbox.egress import NetworkFault, set_network
from evolve.sandbox.inside import ROOT
from evolve.sandbox.task_state import TaskState
from evolve.trial.health import Unhealthy, wait_until_healthy
from evolve.trial.in_place import CLEAR_REWARDS, CLEAR_SECONDS, CLEAR_TESTS
from evolve.trial.judging import judge_state
from evolve.trial.reward import NoReward, Reward
from evolve.trial.verdict import Judgement

WORKDIR, SETUP = "workdir", "setup.sh"
# A fault of the machine seldom comes twice.
PREPARE_TRIES = 2
CLEAR_STEP = (
    f"{CLEAR_REWARDS} && {CLEAR_TESTS} && {{ rmdir /tests 2>/dev/null; rm -rf /solution /logs/agent; "
    "mkdir -p /logs/agent && chmod 777 /logs/agent; }"
)
# Runs the agent, or a solution, on one step; returns whether there can be a further one.
Act = Callable[[TrialSpec, TaskState], bool]


@dataclass(frozen=True)
class StepResult:
    """One step's grade, None if it was not started, and the end of what its tests printed."""

    name: str
    judgement: Judgement | None


def step_task(task: Task, step: Step) -> Task:
    """The task as it is during one step."""
    environment = replace(task.format.environment, healthcheck=step.healthcheck)
    format = replace(
        task.format,
        environment=environment,
        agent=step.agent,
        verifier=step.verifier,
        artifacts=(*task.format.artifacts, *step.artifacts),
        tests=step.tests,
        solution=f"{step.folder}/solution" if step.solved else task.format.solution,
    )
    return replace(
        task,
        instruction=step.instruction,
        agent_seconds=step.agent.seconds,
        verifier_seconds=step.verifier.seconds,
        verifier=step.verifier.mode,
        format=format,
    )


def step_image(image: TaskImage, step: Step) -> TaskImage:
    """The task's image, with the one that this step's verifier may have of its own."""
    verifiers = dict(image.verifiers)
    own = verifiers.get(step.name, verifiers.get(""))
    return replace(image, verifiers=() if own is None else (("", own),))


def step_limits(limits: Limits, step: Step, used: Usage) -> Limits | None:
    """What is left of a trial's limits for a step, which has a time limit of its own; None if nothing is left."""
    calls, tokens = limits.calls - used.calls, limits.tokens - used.tokens
    commands = None if limits.commands is None else limits.commands - used.commands
    if min(calls, tokens, 1 if commands is None else commands) <= 0 or 0 < limits.usd <= used.cost_usd:
        return None
    seconds = min(limits.seconds, step.agent.seconds or math.inf)
    usd = max(limits.usd - used.cost_usd, 0.0)
    return replace(limits, calls=calls, tokens=tokens, usd=usd, commands=commands, seconds=seconds)


def total_seconds(task: Task, each: float) -> float:
    """The longest time of all steps: of the agent, at most `each` seconds a step, and of the tests."""
    return sum(
        min(each, step.agent.seconds or math.inf) + step.verifier.seconds + step.verifier.collect_seconds
        for step in task.format.steps
    )


def play_steps(spec: TrialSpec, state: TaskState, container: Container, ttl: int, act: Act) -> Judgement:
    """Let `act` work on all steps in turn, judge each, and return the judgement on all of them.

    Raises:
        InfraError: The machine failed, or the first step can't be prepared.
    """
    results: list[StepResult] = []
    steps = spec.task.format.steps
    goes_on = True
    for number, step in enumerate(steps):
        task, image = step_task(spec.task, step), step_image(spec.image, step)
        one, own = replace(spec, task=task, image=image), state.during(task.format, image)
        if not goes_on or not _is_prepared(own, container, spec.task, step, is_first=number == 0):
            results += [StepResult(left.name, None) for left in steps[number:]]
            break
        set_network(container, own, own.networks.agent)
        goes_on = act(one, own)
        judgement = judge_state(one, own, container, ttl, keeps=number + 1 < len(steps))
        results.append(StepResult(step.name, judgement))
        if not meets_minimum(judgement, step):
            break
    return total_judgement(results, spec.task.format.strategy)


def _is_prepared(state: TaskState, container: Container, task: Task, step: Step, is_first: bool) -> bool:
    """Prepare the container for a step. After the first one, the agent may have made that impossible."""
    for _ in range(PREPARE_TRIES):
        try:
            _prepare(state, container, task, step, is_first)
        except (StepFailed, Unhealthy) as error:
            if is_first:
                raise InfraError(f"step {step.name}: {error}") from error
            return False
        except NetworkFault:
            raise
        except InfraError:
            if is_first or not container.is_ruined():
                raise
        else:
            return True
    return False


class StepFailed(InfraError):
    """A step's `setup.sh` failed."""


def _prepare(state: TaskState, container: Container, task: Task, step: Step, is_first: bool) -> None:
    if not is_first:
        with contextlib.closing(container.working_shell(ROOT, "/")) as root:
            if root.run(CLEAR_STEP, timeout=CLEAR_SECONDS).exit_code != 0:
                raise StepFailed("the tests of the step before can't be removed")
    set_network(container, state, state.networks.setup)
    folder = task.folder / step.folder / WORKDIR
    if folder.is_dir():
        container.put(pack(folder, follow=True), state.image.workdir)
    if (folder / SETUP).is_file():
        with contextlib.closing(container.working_shell(state.user, state.image.workdir)) as shell:
            done = shell.run(f"bash ./{SETUP}", timeout=state.format.environment.build_seconds)
        if done.exit_code != 0:
            raise StepFailed(f"{SETUP} failed: {done.stderr.decode(errors='replace').strip()[-200:]}")
    wait_until_healthy(container, state, step.healthcheck)


def meets_minimum(judgement: Judgement, step: Step) -> bool:
    """Whether the next step begins after this judgement."""
    named = dict(judgement.grade.named) if isinstance(judgement.grade, Reward) else {}
    return all(named.get(name, -math.inf) >= least for name, least in step.min_reward)


def total_judgement(results: Sequence[StepResult], strategy: RewardStrategy) -> Judgement:
    """The judgement on all steps. A step that was not started has earned 0; an ungraded one leaves all ungraded."""
    counted = results[-1:] if strategy is RewardStrategy.FINAL else results
    output = "\n".join(
        f"step {result.name}: {result.judgement.detail if result.judgement else 'not started'}" for result in results
    )
    causes = [result.judgement.cause for result in results if result.judgement and result.judgement.cause]
    grades = [(result.name, result.judgement.grade if result.judgement else Reward(0.0, 0.0)) for result in counted]
    return Judgement(_total_grade(grades), output, *causes[:1])


def _total_grade(grades: Sequence[tuple[str, Reward | NoReward]]) -> Reward | NoReward:
    values: list[float] = []
    for name, grade in grades:
        if isinstance(grade, NoReward):
            return replace(grade, text=f"step {name}: {grade.text}")
        values.append(grade.value)
    mean = sum(values) / len(values)
    return Reward(mean, mean)
