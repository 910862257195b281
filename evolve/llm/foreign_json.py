"""JSON of unknown origin, as values that the rest of the program can store, send and walk through."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

# Levels of lists and objects. Less than a scaffold may send back: see MAX_DEPTH of the gateway.
MAX_DEPTH = 64
# Beyond it, programs that read numbers as floats disagree, and a sum may not fit into 64 bits.
MAX_NUMBER = 2**53


class TooDeep(ValueError):
    """A value with more than MAX_DEPTH levels."""

    def __init__(self) -> None:
        super().__init__("nested too deeply")


def parse_json(raw: bytes | str) -> Any:
    """Parse what an endpoint sent. Numbers that can't be stored become null, characters that can't are replaced.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    text = raw if isinstance(raw, str) else raw.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite, parse_int=_bounded)
    except RecursionError as error:
        raise TooDeep from error
    return plain_value(value)


def parse_exactly(text: str) -> Any:
    """Parse JSON that is to be sent again as it is.

    Raises:
        ValueError: It is not JSON, nested too deeply, or has numbers or characters that can't be sent.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite_or_refuse)
    except RecursionError as error:
        raise TooDeep from error
    if plain_value(value) != value:
        raise ValueError("a text is not valid Unicode")
    return value


def plain_value(value: Any) -> Any:
    """Return a parsed value without lone surrogates; pairs of them become one character. Raises TooDeep."""
    if is_deeper(value, MAX_DEPTH):
        raise TooDeep
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return value


def is_deeper(value: Any, depth: int) -> bool:
    """Whether a value has more than `depth` levels; not recursive, since it is untrusted."""
    level = [value]
    for _ in range(depth):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in inner for item in items]
        if not level:
            return False
    return True


def _finite(text: str) -> float | None:
    return number if math.isfinite(number := float(text)) else None


def _bounded(text: str) -> int | None:
    # Longer ones take time that grows with the square of their length.
    return number if len(text) < 20 and abs(number := int(text)) <= MAX_NUMBER else None


def _finite_or_refuse(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
