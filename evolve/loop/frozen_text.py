"""Values of the gate as text and back: exact, and made of nothing but the gate's own kinds of values."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
from pydantic import BaseModel

KIND = "kind"
# Where the classes are whose values may be read.
OWN = ("evolve.gate.", "evolve.core.records", "evolve.core.gate_config")


class NotWritable(TypeError):
    """A value has a part that is none of the gate's."""


def to_text(value: object) -> str:
    """Write a value as JSON.

    Raises:
        NotWritable: It holds something of a plug-in, or something else that can't be written exactly.
    """
    return json.dumps(_plain(value), separators=(",", ":"))


def from_text(text: str) -> Any:
    """Read a value. Only classes of the gate and of records and config are made, by their own checks.

    Raises:
        ValueError: The text is not such a value.
    """
    try:
        return _value(json.loads(text))
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a value of the gate: {error}") from error


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        return {KIND: _name(type(value)), "value": value.value}
    if value is None or isinstance(value, bool | int | float | str):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, tuple):
        return _named(value) if hasattr(value, "_fields") else [_plain(part) for part in value]
    if isinstance(value, frozenset):
        return {KIND: "set", "items": sorted((_plain(part) for part in value), key=json.dumps)}
    if isinstance(value, Mapping):
        return {KIND: "map", "items": [[_plain(key), _plain(part)] for key, part in value.items()]}
    if isinstance(value, np.ndarray) and value.dtype.kind in "bif":
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")
        return {KIND: "array", "type": value.dtype.str, "shape": list(value.shape), "data": data}
    if isinstance(value, BaseModel):
        return {KIND: _name(type(value)), "fields": value.model_dump(mode="json")}
    if is_dataclass(value) and all(field.init for field in fields(value)):
        parts = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {KIND: _name(type(value)), "fields": parts}
    raise NotWritable(f"{type(value).__name__} can't be written")


def _named(value: Any) -> dict[str, Any]:
    """A named tuple."""
    return {KIND: _name(type(value)), "fields": {name: _plain(part) for name, part in value._asdict().items()}}


def _name(kind: type) -> str:
    if not kind.__module__.startswith(OWN):
        raise NotWritable(f"{kind.__module__}.{kind.__qualname__} is not the gate's")
    return f"{kind.__module__}:{kind.__qualname__}"


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(part) for part in plain)
    if not isinstance(plain, dict):
        return plain
    if plain[KIND] in COLLECTIONS:
        return COLLECTIONS[plain[KIND]](plain)
    kind = _class(plain[KIND])
    if issubclass(kind, Enum):
        return kind(plain["value"])
    if issubclass(kind, BaseModel):
        return kind.model_validate(plain["fields"])
    return kind(**{name: _value(part) for name, part in plain["fields"].items()})


def _array(plain: Mapping[str, Any]) -> Any:
    kind = np.dtype(plain["type"])
    if kind.kind not in "bif":
        raise ValueError(f"no numbers: {kind}")
    return np.frombuffer(base64.b64decode(plain["data"]), kind).reshape(plain["shape"]).copy()


# How values are made that are of no class of the gate's.
COLLECTIONS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "array": _array,
    "set": lambda plain: frozenset(_value(part) for part in plain["items"]),
    "map": lambda plain: {_value(key): _value(part) for key, part in plain["items"]},
}


def _class(name: str) -> type:
    module, _, rest = name.partition(":")
    kind = getattr(sys.modules.get(module), rest, None) if module.startswith(OWN) else None
    known = isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, Enum | BaseModel))
    if not isinstance(kind, type) or not (known or hasattr(kind, "_fields")):
        raise ValueError(f"{name} is not the gate's")
    return kind
