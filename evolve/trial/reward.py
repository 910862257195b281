"""Parse a verifier's reward file. What can't be a reward is named, and is never a reward of 0."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass
from enum import StrEnum

MAX_REWARD_BYTES = 1_000_000
MAX_SHOWN = 60


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
    """A reward in [0, 1], and `raw`, the number from which it was made."""

    value: float
    raw: float

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
    raw = _number_in_json(content) if json_file else _number_in_text(content)
    if raw is None:
        return NoReward(Ungraded.INVALID, f"{name} holds no finite number: {ascii(content[:MAX_SHOWN])[1:]}")
    return scale_reward(raw)


def scale_reward(raw: float) -> Reward | NoReward:
    """The reward that a number stands for. A number outside [0, 1] is none: nothing says what its best value is."""
    if 0.0 <= raw <= 1.0:
        return Reward(raw, raw)
    return NoReward(Ungraded.RANGE, f"the reward {raw:g} is outside [0, 1]", raw)


def _number_in_text(content: bytes) -> float | None:
    with contextlib.suppress(ValueError):
        return _finite_number(float(content.decode("ascii")))
    return None


def _number_in_json(content: bytes) -> float | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return _finite_number(value)
    if "reward" in value:
        return _finite_number(value["reward"])
    numbers = [number for number in map(_finite_number, value.values()) if number is not None]
    return _finite_number(sum(numbers) / len(numbers)) if numbers else None


def _finite_number(value: object) -> float | None:
    """The value as a finite float; None for anything else, including integers that are too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with contextlib.suppress(OverflowError):
        return float(value) if math.isfinite(value) else None
    return None
