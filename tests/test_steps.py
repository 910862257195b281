"""Tasks of several steps: limits, minimum rewards, and the reward of all steps together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evolve.core.records import Limits, TaskImage, Usage
from evolve.core.task_format import AgentPhase, Artifact, RewardStrategy, Step, TaskFormat, VerifierMode, VerifierPhase
from evolve.trial.reward import NoReward, Reward, Ungraded, parse_reward
from evolve.trial.steps import (
    StepResult,
    meets_minimum,
    step_image,
    step_limits,
    step_task,
    total_judgement,
    total_seconds,
)
from evolve.trial.verdict import Judgement

from . import fakes

STEP = Step("one", "steps/one", "Do one.")


def judged(content: str, is_json: bool = True) -> Judgement:
    return Judgement(parse_reward(content.encode(), is_json), "printed")


def results(*rewards: float | None) -> list[StepResult]:
    return [
        StepResult(f"s{number}", None if reward is None else judged(str(reward)))
        for number, reward in enumerate(rewards)
    ]


@pytest.mark.parametrize(
    ("rewards", "strategy", "total"),
    [
        ((1.0, 0.5), RewardStrategy.MEAN, 0.75),
        ((1.0, 0.5), RewardStrategy.FINAL, 0.5),
        ((1.0,), RewardStrategy.MEAN, 1.0),
        ((1.0, None, None, None), RewardStrategy.MEAN, 0.25),
        ((1.0, None), RewardStrategy.FINAL, 0.0),
    ],
)
def test_the_total_is_the_mean_or_the_last_one(
    rewards: tuple[float | None, ...], strategy: RewardStrategy, total: float
) -> None:
    judgement = total_judgement(results(*rewards), strategy)
    assert judgement.grade == Reward(total, total) and "step s0: printed" in judgement.output


def test_a_step_without_a_reward_leaves_all_ungraded() -> None:
    ungraded = StepResult("two", Judgement(NoReward(Ungraded.MISSING, "wrote nothing"), ""))
    grade = total_judgement([*results(1.0), ungraded], RewardStrategy.MEAN).grade
    assert isinstance(grade, NoReward) and grade.why is Ungraded.MISSING and "step two" in grade.text


@pytest.mark.parametrize(
    ("content", "least", "meets"),
    [
        ("0.5", (("reward", 0.5),), True), ("0.4", (("reward", 0.5),), False), ("0.4", (), True),
        ('{"a": 1, "b": 0.2}', (("a", 1), ("b", 0.2)), True), ('{"a": 1, "b": 0.2}', (("a", 1), ("b", 0.3)), False),
        ('{"a": 1}', (("absent", 0.0),), False), ("nonsense", (("reward", 0.0),), False),
    ],
)  # fmt: skip
def test_a_minimum_may_be_set_for_each_named_reward(
    content: str, least: tuple[tuple[str, float], ...], meets: bool
) -> None:
    assert meets_minimum(judged(content), replace(STEP, min_reward=least)) is meets


def test_steps_share_the_budget_and_have_their_own_time() -> None:
    limits, step = Limits(calls=10, tokens=100, usd=1.0, seconds=60, commands=5), replace(STEP, agent=AgentPhase(20))
    left = step_limits(limits, step, Usage(calls=4, prompt_tokens=30, cost_usd=0.25, commands=1))
    assert left == Limits(calls=6, tokens=70, usd=0.75, seconds=20, commands=4)
    for used in (Usage(calls=10), Usage(prompt_tokens=100), Usage(cost_usd=1.0), Usage(commands=5)):
        assert step_limits(limits, step, used) is None
    free = step_limits(replace(limits, usd=0.0), STEP, Usage(calls=1))
    assert free is not None and (free.usd, free.seconds) == (0.0, 60)


def test_a_step_has_its_own_phases_tests_and_verifier() -> None:
    step = replace(
        STEP, agent=AgentPhase(20, "ann"), verifier=VerifierPhase(9, VerifierMode.SHARED, user="bob"),
        artifacts=(Artifact("/b"),), tests=("tests", "steps/one/tests"),
    )  # fmt: skip
    task = replace(fakes.task(), format=TaskFormat(artifacts=(Artifact("/a"),), steps=(step,)))
    one = step_task(task, step)
    assert (one.instruction, one.agent_seconds, one.verifier_seconds) == ("Do one.", 20, 9)
    assert one.verifier is VerifierMode.SHARED and one.format.verifier.user == "bob" and one.format.agent.user == "ann"
    assert [artifact.source for artifact in one.format.artifacts] == ["/a", "/b"] and one.format.tests == step.tests
    assert (one.format.solution, step_task(task, replace(step, solved=False)).format.solution) == (
        "steps/one/solution", "solution",
    )  # fmt: skip
    assert total_seconds(task, 50) == 29 and total_seconds(task, 10) == 19


def test_a_step_uses_its_own_verifiers_image_or_the_tasks() -> None:
    own, common = TaskImage("own", "/"), TaskImage("common", "/")
    image = TaskImage("task", "/", verifiers=(("", common), ("one", own)))
    assert step_image(image, STEP).verifiers == (("", own),)
    assert step_image(image, replace(STEP, name="two")).verifiers == (("", common),)
    assert step_image(replace(image, verifiers=()), STEP).verifiers == ()
