"""The forms that values of compose files have: sizes, durations, lists of words and of pairs. Pure."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_TRUTH = {"true": True, "yes": True, "on": True, "y": True, "1": True}
_UNTRUTH = {"false": False, "no": False, "off": False, "n": False, "0": False, "": False}


def text_of(value: object) -> str:
    """A scalar as a variable has it. Raises ValueError for what is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, int | str):
        return str(value)
    raise ValueError("must be a text or a number")


def _float_text(value: float) -> str:
    """As programs in Go print a number: with an exponent from 1e+06 on, and below 1e-04."""
    sign, digits, power = Decimal(repr(value)).normalize().as_tuple()
    exponent = len(digits) - 1 + int(power)
    if -4 <= exponent < 6:
        return f"{value:.{max(-int(power), 0)}f}"
    mantissa = f"{digits[0]}.{''.join(map(str, digits[1:]))}".rstrip(".")
    return f"{'-' if sign else ''}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def words_of(value: object) -> tuple[str, ...] | None:
    """A command: a list of words, or a text as a shell splits it. None for a null. Raises ValueError."""
    if value is None:
        return None
    if isinstance(value, list):
        return tuple(text_of(word) for word in value)
    return tuple(shlex.split(text_of(value)))


def list_of(value: object) -> list[Any]:
    """A list, or one value alone. Raises ValueError."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        raise ValueError("must be a list")
    return value if isinstance(value, list) else [value]


def pairs_of(value: object, separators: str = "=") -> dict[str, str | None]:
    """A table, or a list of `name=value`; None for a name alone. Raises ValueError."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {str(name): None if one is None else text_of(one) for name, one in value.items()}
    if not isinstance(value, list):
        raise ValueError("must be a table or a list")
    pairs: dict[str, str | None] = {}
    for entry in map(text_of, value):
        places = [place for one in separators if (place := entry.find(one)) >= 0]
        cut = min(places, default=len(entry))
        pairs[entry[:cut]] = entry[cut + 1 :] if places else None
    return pairs


def bytes_of(value: object) -> int | None:
    """A size such as `1.5g` or a number of bytes; None for an empty one. Raises ValueError."""
    text = "" if value is None else text_of(value).strip()
    if not text:
        return None
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("must be a size such as '2g' or '512m'")
    return int(float(match[1]) * 1024.0 ** " kmgt".index(match[2].lower() or " "))


def megabytes_of(value: object) -> int | None:
    """A size in MB, rounded up; None for an empty one, and for 0, which is no limit. Raises ValueError."""
    size = bytes_of(value)
    return math.ceil(size / 2**20) if size else None


def number_of(value: object) -> float | None:
    """A number that is written as one or as text; None for an empty one, and for 0. Raises ValueError."""
    text = "" if value is None else text_of(value).strip()
    number = float(text) if text else 0.0
    if not math.isfinite(number) or number < 0:
        raise ValueError("must be a number")
    return number or None


def whole_of(value: object) -> int | None:
    """A whole number that is written as one or as text; None for an empty one. Raises ValueError."""
    text = "" if value is None else text_of(value).strip()
    return int(text) if text else None


def seconds_of(value: object) -> float | None:
    """A duration such as `1m30s`; None for an empty one. Raises ValueError."""
    text = "" if value is None else text_of(value).strip()
    if not text:
        return None
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError("must be a duration such as '1m30s'")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def truth_of(value: object) -> bool:
    """True or false, also as text. Raises ValueError."""
    text = "" if value is None else text_of(value).strip().lower()
    known = _TRUTH | _UNTRUTH
    if text not in known:
        raise ValueError("must be true or false")
    return known[text]
