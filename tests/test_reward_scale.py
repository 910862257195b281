"""Scales: a number becomes a reward and back, whatever its direction, and what is better never earns less."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evolve.core.reward_scale import RewardScale

NUMBERS = st.floats(-1e6, 1e6)


@given(NUMBERS, st.floats(1e-3, 1e6), st.booleans(), st.floats(0, 1), st.floats(0, 1))
def test_better_numbers_earn_more_and_come_back(
    low: float, width: float, lower: bool, one: float, other: float
) -> None:
    scale = RewardScale("score", low, low + width, lower)
    first, second = (min(scale.low + share * width, scale.high) for share in (one, other))
    rewards = scale.reward(first), scale.reward(second)
    assert rewards[0] is not None and rewards[1] is not None
    assume(first != second)
    assert (rewards[0] >= rewards[1]) == (first <= second if lower else first >= second) or rewards[0] == rewards[1]
    assert scale.number(rewards[0]) == pytest.approx(first, abs=1e-6 * (abs(low) + width))


@given(NUMBERS, st.floats(1e-3, 1e6), st.booleans(), st.floats(0, 1))
def test_the_threshold_itself_passes(low: float, width: float, lower: bool, share: float) -> None:
    passes = min(low + share * width, low + width)
    scale = RewardScale("score", low, low + width, lower, passes)
    reward = scale.reward(passes)
    assert reward is not None and scale.is_pass(reward)


@pytest.mark.parametrize("number", [-0.1, 100.1, math.nan, math.inf])
def test_a_number_outside_the_bounds_has_no_reward(number: float) -> None:
    assert RewardScale(low=0, high=100).reward(number) is None


def test_without_a_threshold_only_the_best_passes() -> None:
    assert RewardScale().is_pass(1.0) and not RewardScale().is_pass(1 - 1e-12)
    assert RewardScale("loss", 0, 2, lower_is_better=True).is_pass(1.0)
    scale = RewardScale("accuracy", 0, 100, passes=80)
    assert scale.is_pass(0.8) and not scale.is_pass(0.79)


@pytest.mark.parametrize(
    "values",
    [{"main": ""}, {"low": 1.0}, {"low": math.nan}, {"high": math.inf}, {"passes": 1.5}],
)
def test_impossible_scales_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"main|min|passes"):
        RewardScale(**values)  # type: ignore[arg-type]


def test_a_reward_is_told_as_its_number() -> None:
    assert RewardScale("error", 0, 50, lower_is_better=True).describe(0.9) == "error 5 (0 to 50, lower is better)"
