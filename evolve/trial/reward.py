"""Parse a verifier's reward file. What can't be a reward is named, and is never a reward of 0."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from evolve.core.reward_scale import REWARD, RewardScale

MAX_REWARD_BYTES = 1_000_000
MAX_SHOWN = 60
# So many numbers of a reward.json are recorded.
MAX_REWARDS = 50
MAX_NAME = 100
PLAIN = RewardScale()
Numbers = tuple[tuple[str, float], ...]


class Ungraded(StrEnum):
    """Why a verifier's run gave no reward.

    MISSING: it wrote no reward. INVALID: what it wrote is no number, or too large a file. RANGE: a number outside
    the bounds of its scale. TIMEOUT: the tests ran out of time. CRASHED: a signal ended them, or their container.
    """

    MISSING = "missing"
    INVALID = "invalid"
    RANGE = "range"
    TIMEOUT = "timeout"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Reward:
    """A reward in [0, 1], and `raw`, the number from which it was made; `numbers`: all that were written, by name."""

    value: float
    raw: float
    numbers: Numbers = ()

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
    written = _numbers_in_json(content) if json_file else _number_in_text(content)
    raw = None if written is None else _main_number(written, scale.main)
    if written is None or raw is None:
        missing = f"no finite number `{scale.main}`" if scale.main != REWARD else "no finite number"
        return NoReward(Ungraded.INVALID, f"{name} holds {missing}: {ascii(content[:MAX_SHOWN])[1:]}")
    return scale_reward(raw, scale, _recorded(written, scale.main))


def scale_reward(raw: float, scale: RewardScale = PLAIN, numbers: Numbers = ()) -> Reward | NoReward:
    """The reward that a number stands for; none if it is outside the bounds, since nothing says how good it is."""
    value = scale.reward(raw)
    if value is not None:
        return Reward(value, raw, numbers)
    hint = "; a scale can be declared in suite.toml" if scale.is_plain else ""
    return NoReward(Ungraded.RANGE, f"the reward {raw:g} is outside [{scale.low:g}, {scale.high:g}]{hint}", raw)


def _main_number(written: Mapping[str, object] | float, main: str) -> float | None:
    """The number that counts; None if there is none."""
    if isinstance(written, float):
        return written
    if main in written:
        return _finite_number(written[main])
    numbers = list(_finite_numbers(written).values()) if main == REWARD else []
    return _finite_number(sum(numbers) / len(numbers)) if numbers else None


def _recorded(written: Mapping[str, object] | float, main: str) -> Numbers:
    """The numbers to record: the main one alone follows from the reward."""
    if isinstance(written, float) or set(numbers := _finite_numbers(written)) == {main}:
        return ()
    known = sorted(numbers.items())
    return tuple((name[:MAX_NAME], number) for name, number in known[:MAX_REWARDS])


def _number_in_text(content: bytes) -> float | None:
    with contextlib.suppress(ValueError):
        return _finite_number(float(content.decode("ascii")))
    return None


def _numbers_in_json(content: bytes) -> Mapping[str, object] | float | None:
    """The object, or the number, that the file holds; None for anything else."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else _finite_number(value)


def _finite_numbers(written: Mapping[str, object]) -> dict[str, float]:
    known = ((name, _finite_number(value)) for name, value in written.items())
    return {name: number for name, number in known if number is not None}


def _finite_number(value: object) -> float | None:
    """The value as a finite float; None for anything else, including integers that are too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with contextlib.suppress(OverflowError):
        return float(value) if math.isfinite(value) else None
    return None
