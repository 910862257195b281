"""What a verifier's reward file says."""

from __future__ import annotations

import contextlib
import json
import math


def parse_reward(text: bytes, json_file: bool) -> float:
    """A reward file's number, held to [0, 1]; anything else is 0."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return 0.0
    if json_file and isinstance(value, dict):
        numbers = [v for v in map(_number_of, value.values()) if v is not None]
        value = value.get("reward", sum(numbers) / len(numbers) if numbers else 0.0)
    return min(max(_number_of(value) or 0.0, 0.0), 1.0)


def _number_of(value: object) -> float | None:
    """A finite number; None for anything else, and for an integer too long for one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with contextlib.suppress(OverflowError):
        return float(value) if math.isfinite(value) else None
    return None
