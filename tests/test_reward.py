"""Reward files: numbers are read as they are, and what is no reward says why."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.reward_scale import RewardScale
from evolve.trial.reward import (
    MAX_NAME,
    MAX_REWARD_BYTES,
    MAX_REWARDS,
    NoReward,
    Reward,
    Ungraded,
    parse_reward,
    recorded_numbers,
)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("content", "value"),
    [(b".5", 0.5), (b" 1\n", 1.0), (b"0.25", 0.25), (b"+1", 1.0), (b"1e-1", 0.1), (b"0", 0.0), (b"5.E-1\r\n", 0.5)],
)
def test_a_text_file_holds_one_number(content: bytes, value: float) -> None:
    assert parse_reward(content, json_file=False) == Reward(value, value)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"0.5", 0.5), (b'{"reward": 1, "score": 85}', 1.0), (b'{"a": 1, "b": 0.5}', 0.75),
        (b'{"a": 1, "note": "x"}', 1.0),
        (b'{"reward": true}', 1.0), (b'{"reward": false, "a": 1}', 0.0), (b'\n{"reward": 0}', 0.0),
    ],
)  # fmt: skip
def test_a_json_file_holds_a_number_or_named_numbers(content: bytes, value: float) -> None:
    grade = parse_reward(content, json_file=True)
    assert isinstance(grade, Reward) and grade.value == grade.raw == value


@pytest.mark.parametrize("is_json", [False, True])
@pytest.mark.parametrize(
    "content",
    [b"", b"nan", b"NaN", b"Infinity", b"-inf", b"pass", b"1 1", b"[1]", b"true", b"\xff", b'"1"', b"{}", b"[" * 9999],
)
def test_what_is_no_number_is_no_reward(content: bytes, is_json: bool) -> None:
    grade = parse_reward(content, is_json)
    assert isinstance(grade, NoReward) and grade.why is Ungraded.INVALID and grade.raw is None


@pytest.mark.parametrize("value", ['"1"', '"true"', "null", "NaN", "[1]", "1" + "0" * 400])
def test_a_main_reward_that_is_no_number_is_not_replaced_by_the_others(value: str) -> None:
    grade = parse_reward(f'{{"reward": {value}, "other": 1}}'.encode(), json_file=True)
    assert isinstance(grade, NoReward) and grade.why is Ungraded.INVALID


@given(NUMBERS.filter(lambda number: not 0 <= number <= 1))
def test_a_number_outside_the_range_is_named_and_never_cut(number: float) -> None:
    for content, is_json in ((repr(number), False), (repr(number), True), (json.dumps({"reward": number}), True)):
        grade = parse_reward(content.encode(), is_json)
        assert isinstance(grade, NoReward) and (grade.why, grade.raw) == (Ungraded.RANGE, number)
        assert f"{number:g}" in grade.text


@given(st.floats(0, 1))
def test_any_number_in_the_range_is_the_reward(number: float) -> None:
    for content, is_json in ((repr(number), False), (json.dumps({"reward": number}), True)):
        grade = parse_reward(content.encode(), is_json)
        assert isinstance(grade, Reward) and grade.value == grade.raw == number


@given(st.binary(max_size=200) | st.text(max_size=60).map(str.encode), st.booleans())
def test_any_bytes_are_a_reward_or_say_why_not(content: bytes, is_json: bool) -> None:
    grade = parse_reward(content, is_json)
    assert isinstance(grade, Reward) or ("\n" not in grade.text and len(grade.text) < 400)


SCALE = RewardScale("seconds", 0, 200, lower_is_better=True, passes=50)


@pytest.mark.parametrize(("number", "value"), [(0, 1.0), (50, 0.75), (200, 0.0)])
def test_a_scale_turns_its_number_into_a_reward(number: float, value: float) -> None:
    content = json.dumps({"seconds": number, "reward": 7, "other": 9, "note": "x"}).encode()
    grade = parse_reward(content, True, SCALE)
    assert grade == Reward(value, number)
    assert recorded_numbers(grade, "seconds") == (("other", 9.0), ("reward", 7.0), ("seconds", float(number)))
    for single, is_json in ((str(number), False), (str(number), True), (json.dumps({"seconds": number}), True)):
        grade = parse_reward(single.encode(), is_json, SCALE)
        assert grade == Reward(value, number) and recorded_numbers(grade, "seconds") == ()


@pytest.mark.parametrize(
    ("content", "why", "text"),
    [
        (b'{"seconds": 201}', Ungraded.RANGE, "the reward 201 is outside [0, 200]"),
        (b'{"reward": 1}', Ungraded.INVALID, "no finite number `seconds`"),
        (b'{"seconds": "1"}', Ungraded.INVALID, "no finite number `seconds`"),
    ],
)
def test_what_a_scale_does_not_cover_is_no_reward(content: bytes, why: Ungraded, text: str) -> None:
    grade = parse_reward(content, True, SCALE)
    assert isinstance(grade, NoReward) and grade.why is why and text in grade.text


def test_many_numbers_are_recorded_up_to_a_bound() -> None:
    content = json.dumps({"reward": 1} | {f"{n:03}" * 50: n for n in range(200)}).encode()
    grade = parse_reward(content, True)
    numbers = recorded_numbers(grade, "reward")
    assert len(numbers) == MAX_REWARDS and all(len(name) <= MAX_NAME for name, _ in numbers)


def test_a_long_file_counts_up_to_the_bound() -> None:
    head = b'{"reward": 0.5, "tests": "'
    longest = head + b"x" * (MAX_REWARD_BYTES - len(head) - 2) + b'"}'
    assert parse_reward(longest, json_file=True) == Reward(0.5, 0.5)
    grade = parse_reward(longest + b"\n", json_file=True)
    assert isinstance(grade, NoReward) and grade.why is Ungraded.INVALID and str(MAX_REWARD_BYTES) in grade.text


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_a_reward_outside_the_range_can_not_be_made(value: float) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        Reward(value, value)
