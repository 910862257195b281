"""Parse a verifier's reward file. What can't be a reward is named, and is never a reward of 0."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from evolve.core.reward_scale import REWARD, RewardScale

MAX_REWARD_BYTES = 1_000_000
MAX_SHOWN = 60
# So many numbers of a reward.json are stored.
MAX_REWARDS = 50
MAX_NAME = 100
PLAIN = RewardScale()
Numbers = tuple[tuple[str, float], ...]


class Ungraded(StrEnum):
    """Why a verifier's run gave no reward.

    MISSING: it wrote no reward. INVALID: what it wrote is no number, or too large a file. RANGE: a number outside
    the bounds of its scale. TIMEOUT: the tests ran out of time. CRASHED: a signal ended them, or their container.
    BUDGET: they used up what they may ask a model; what they wrote then does not count.
    """

    MISSING = "missing"
    INVALID = "invalid"
    RANGE = "range"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    BUDGET = "budget"


@dataclass(frozen=True)
class Reward:
    """A reward in [0, 1], and `raw`, the number from which it was made.

    named: all numbers that the verifier wrote, by name; a single one is the main reward.
    """

    value: float
    raw: float
    named: Numbers = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not 0.0 <= self.value <= 1.0:
            raise ValueError(f"a reward must be in [0, 1]: {self.value}")


@dataclass(frozen=True)
class NoReward:
    """Why there is no reward, with one line for people; `raw`: the number that was written, if it was one."""

    why: Ungraded
    text: str
    raw: float | None = None


def parse_reward(content: bytes, json_file: bool, scale: RewardScale = PLAIN) -> Reward | NoReward:
    """Parse a reward file: a number, or in JSON also an object, of which the main reward counts.

    Of an object without one named `reward`, and without a scale that names another, the mean of its numbers counts.

    Args:
        content: The file's bytes; of a longer file at least MAX_REWARD_BYTES + 1.
    """
    name = "reward.json" if json_file else "reward.txt"
    if len(content) > MAX_REWARD_BYTES:
        return NoReward(Ungraded.INVALID, f"{name} is larger than {MAX_REWARD_BYTES} bytes")
    named = _numbers_in_json(content, scale.main) if json_file else _number_in_text(content, scale.main)
    raw = named.get(scale.main, _mean(named) if named and scale.main == REWARD else None)
    if raw is None:
        missing = "no finite number" if scale.main == REWARD else f"no finite number `{scale.main}`"
        return NoReward(Ungraded.INVALID, f"{name} holds {missing}: {ascii(content[:MAX_SHOWN])[1:]}")
    grade = scale_reward(raw, scale)
    return replace(grade, named=tuple(named.items())) if isinstance(grade, Reward) else grade


def scale_reward(raw: float, scale: RewardScale = PLAIN) -> Reward | NoReward:
    """The reward that a number stands for; none if it is outside the bounds, since nothing says how good it is."""
    value = scale.reward(raw)
    if value is not None:
        return Reward(value, raw)
    hint = "; a scale can be declared in suite.toml" if scale.is_plain else ""
    return NoReward(Ungraded.RANGE, f"the reward {raw:g} is outside [{scale.low:g}, {scale.high:g}]{hint}", raw)


def recorded_numbers(grade: Reward | NoReward, main: str) -> Numbers:
    """The numbers to store beside a reward, sorted by name: the main one alone follows from the reward."""
    named = grade.named if isinstance(grade, Reward) else ()
    if {name for name, _ in named} <= {main}:
        return ()
    return tuple((name[:MAX_NAME], number) for name, number in sorted(named)[:MAX_REWARDS])


def _mean(named: Mapping[str, float]) -> float | None:
    return _finite_number(sum(named.values()) / len(named))


def _number_in_text(content: bytes, main: str) -> dict[str, float]:
    with contextlib.suppress(ValueError):
        if (number := _finite_number(float(content.decode("ascii")))) is not None:
            return {main: number}
    return {}


def _numbers_in_json(content: bytes, main: str) -> dict[str, float]:
    """The numbers by name, true is 1 there; none if the main reward is there, but no number."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    pairs = {main: value}
    if isinstance(value, dict):
        pairs = {name: int(one) if isinstance(one, bool) else one for name, one in value.items()}
    named = {name: number for name, one in pairs.items() if (number := _finite_number(one)) is not None}
    return {} if main in pairs and main not in named else named


def _finite_number(value: object) -> float | None:
    """The value as a finite float; None for anything else, including integers that are too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with contextlib.suppress(OverflowError):
        return float(value) if math.isfinite(value) else None
    return None
