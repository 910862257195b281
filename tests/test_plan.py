"""What a run will take, before its first trial."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.config import RunConfig, TrialLimits
from evolve.core.launch import Launch, Place
from evolve.core.records import Split, TrialResult, Usage
from evolve.models.preflight import Preflight
from evolve.runs import plan as plans
from evolve.runs.model_check import CheckedModel
from evolve.runs.plan import Plan, Range, dollars, plan_of, seconds_per_trial, tokens_per_trial, trials_of
from evolve.runs.request import RunRequest
from evolve.suite.tasks import load_suite
from tests.fakes import result

SUITE = load_suite(Path("tasks/bugfix"))
PRICED = RunConfig(model="m", base_url="http://x/v1", prompt_price=1.0, completion_price=4.0)


def earlier(count: int) -> list[TrialResult]:
    return [replace(result(f"t{n}", 1.0), usage=Usage(9, 1_000 * n, 100), seconds=float(n)) for n in range(count)]


def test_the_trials_of_a_run_lie_between_two_bounds() -> None:
    none, ten = trials_of(RunConfig(), SUITE, 0), trials_of(RunConfig(), SUITE, 10)
    tasks, holdout = len(SUITE.split(Split.TRAIN, Split.VALIDATION)), len(SUITE.split(Split.HOLDOUT))
    assert none.low == none.high == 2 * tasks + 2 * tasks + 2 * 2 * holdout
    assert none.high < ten.low < ten.high


def test_earlier_trials_are_better_than_limits() -> None:
    few, words = tokens_per_trial(PRICED, earlier(3))
    assert (few.low, few.high) == (10_000, 100_000) and "its limit is 400,000" in words
    many, words = tokens_per_trial(PRICED, earlier(101))
    assert many == Range(10_100, 90_100) and "101 earlier trials" in words
    small = PRICED.model_copy(update={"limits": TrialLimits(tokens=5_000)})
    assert tokens_per_trial(small, [])[0] == Range(5_000, 5_000)


def test_dollars_need_prices() -> None:
    assert dollars(RunConfig(model="m", base_url="http://x/v1"), Range(1, 2)) is None
    cost = dollars(PRICED, Range(1e6, 2e6))
    assert cost and (cost.low, cost.high) == (pytest.approx(1.15), pytest.approx(3.2))


def test_hours_need_a_speed() -> None:
    assert seconds_per_trial(PRICED, Range(10_000, 400_000), None, []) is None
    assert seconds_per_trial(PRICED, Range(10_000, 400_000), 100.0, []) == Range(5, 800)
    assert seconds_per_trial(PRICED, Range(10_000, 400_000), 1.0, []) == Range(500, 1800)
    assert seconds_per_trial(PRICED, Range(0, 1), None, earlier(101)) == Range(10, 90)


def test_a_plan_is_two_lines(tmp_path: Path) -> None:
    request = RunRequest(PRICED, tmp_path, None, 4)
    checked = CheckedModel("scaffold", request.config.models[0], Preflight(tokens_per_second=50.0))
    plan = plan_of(request, SUITE, 10, [checked])
    first, second = plan.lines()
    assert first.startswith("plan for 10 rounds: ") and " trials, " in first and "$" in first and " hours" in first
    assert second == "  (assuming 10,000 to 100,000 tokens a trial; its limit is 400,000)"
    assert not any(tmp_path.iterdir())


def test_what_is_unknown_is_named() -> None:
    text = Plan(1, Range(1, 2), Range(0, 1), None, None, "b").lines()[0]
    assert text.startswith("plan for 1 round: ") and "dollars unknown (no price)" in text and "hours unknown" in text
    assert ", $0, " in Plan(2, Range(1, 2), Range(0, 1), Range(0, 0), None, "b").lines()[0]


@given(st.floats(0, 1e12), st.floats(0, 1e12))
def test_a_range_rises(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert plans._shown(Range(low, high)).count(" to ") == 1
    if low < high:
        with pytest.raises(ValueError, match="not a range"):
            Range(high, low)


def test_tasks_that_nothing_limits_in_time_are_counted() -> None:
    endless = replace(SUITE, tasks=tuple(replace(task, agent_seconds=None) for task in SUITE.tasks[:2]))
    (line,) = plans.time_warnings(RunConfig(), endless)
    assert line.startswith("2 tasks set no agent.timeout_sec: a trial may take a day")
    assert plans.time_warnings(RunConfig(limits=TrialLimits(seconds=9)), endless) == []
    assert plans.time_warnings(RunConfig(), SUITE) == []


def test_an_agent_in_tasks_with_little_memory_is_warned_about() -> None:
    (line,) = plans.memory_warnings(Launch(Place.TASK), SUITE)
    assert line.startswith(f"{len(SUITE.tasks)} tasks have less than 1024 MB of memory (the least: 256)")
    large = replace(SUITE.tasks[0], sandbox=replace(SUITE.tasks[0].sandbox, memory_mb=2048))
    assert plans.memory_warnings(Launch(Place.TASK), replace(SUITE, tasks=(large,))) == []
    assert plans.memory_warnings(Launch(), SUITE) == []
