"""Parse a verifier's reward file. What can't be a reward is named, and is never a reward of 0."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

MAX_REWARD_BYTES = 1_000_000
MAX_SHOWN = 60
# The name of the reward that counts.
MAIN = "reward"


class Ungraded(StrEnum):
    """Why a verifier's run gave no reward.

    MISSING: it wrote no reward. INVALID: what it wrote is no number, or too large a file. RANGE: a number outside
    [0, 1]. TIMEOUT: the tests ran out of time. CRASHED: a signal ended them, or their container.
    """

    MISSING = "missing"
    INVALID = "invalid"
    RANGE = "range"
    TIMEOUT = "timeout"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Reward:
    """A reward in [0, 1], and `raw`, the number from which it was made.

    named: all numbers that the verifier wrote, by name; a single one is `reward`.
    """

    value: float
    raw: float
    named: tuple[tuple[str, float], ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not 0.0 <= self.value <= 1.0:
            raise ValueError(f"a reward must be in [0, 1]: {self.value}")


@dataclass(frozen=True)
class NoReward:
    """Why there is no reward, with one line for people; `raw`: the number that was written, if it was one."""

    why: Ungraded
    text: str
    raw: float | None = None


def parse_reward(content: bytes, json_file: bool) -> Reward | NoReward:
    """Parse a reward file: a number, or in JSON also an object, of which `reward` counts, or the mean of its numbers.

    Args:
        content: The file's bytes; of a longer file at least MAX_REWARD_BYTES + 1.
    """
    name = "reward.json" if json_file else "reward.txt"
    if len(content) > MAX_REWARD_BYTES:
        return NoReward(Ungraded.INVALID, f"{name} is larger than {MAX_REWARD_BYTES} bytes")
    named = _numbers_in_json(content) if json_file else _number_in_text(content)
    raw = named.get(MAIN, _mean(named)) if named else None
    if raw is None:
        return NoReward(Ungraded.INVALID, f"{name} holds no finite number: {ascii(content[:MAX_SHOWN])[1:]}")
    grade = scale_reward(raw)
    return replace(grade, named=tuple(named.items())) if isinstance(grade, Reward) else grade


def scale_reward(raw: float) -> Reward | NoReward:
    """The reward that a number stands for. A number outside [0, 1] is none: nothing says what its best value is."""
    if 0.0 <= raw <= 1.0:
        return Reward(raw, raw)
    return NoReward(Ungraded.RANGE, f"the reward {raw:g} is outside [0, 1]", raw)


def _mean(named: Mapping[str, float]) -> float | None:
    return _finite_number(sum(named.values()) / len(named))


def _number_in_text(content: bytes) -> dict[str, float]:
    with contextlib.suppress(ValueError):
        if (number := _finite_number(float(content.decode("ascii")))) is not None:
            return {MAIN: number}
    return {}


def _numbers_in_json(content: bytes) -> dict[str, float]:
    """The numbers by name; none if the main reward is there, but no number."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    pairs = value if isinstance(value, dict) else {MAIN: value}
    named = {name: number for name, one in pairs.items() if (number := _finite_number(one)) is not None}
    return {} if MAIN in pairs and MAIN not in named else named


def _finite_number(value: object) -> float | None:
    """The value as a finite float; None for anything else, including integers that are too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with contextlib.suppress(OverflowError):
        return float(value) if math.isfinite(value) else None
    return None
