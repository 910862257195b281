"""Parse a verifier's reward file."""

from __future__ import annotations

import contextlib
import json
import math


def parse_reward(text: bytes, json_file: bool) -> float:
    """Parse a reward file: its number, clipped to [0, 1]; 0 for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return 0.0
    if json_file and isinstance(value, dict):
        numbers = [number for number in map(_finite_number, value.values()) if number is not None]
        value = value.get("reward", sum(numbers) / len(numbers) if numbers else 0.0)
    return min(max(_finite_number(value) or 0.0, 0.0), 1.0)


def _finite_number(value: object) -> float | None:
    """The value as a finite float; None for anything else, including integers that are too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with contextlib.suppress(OverflowError):
        return float(value) if math.isfinite(value) else None
    return None
