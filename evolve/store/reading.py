"""Read rows as they are in the database, whatever wrote them: valid values, or one line that names the row."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Double, Integer
from sqlalchemy.types import TypeEngine

from evolve.core.errors import BadInput
from evolve.core.plausible import plausible
from evolve.core.text import storable_text
from evolve.store import schema

Row = Mapping[str, Any]
Record = TypeVar("Record")
SPENDING = frozenset(
    {
        "calls", "prompt_tokens", "completion_tokens", "cost_usd", "retries", "lost_seconds", "cached_tokens",
        "cache_write_tokens", "commands",
    }
)  # fmt: skip
SCORES = frozenset({"train_score", "validation_score"})
FIX = "restore the database from a backup, or correct the row"


def read_rows(rows: Iterable[Any], read: Callable[[Row], Record]) -> list[Record]:
    """Convert rows to records.

    Raises:
        BadInput: A row has a value that no record can have; the message names both.
    """
    return [_read(row, read) for row in rows]


def _read(row: Row, read: Callable[[Row], Record]) -> Record:
    try:
        return read(plain_row(row))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        problem = storable_text(" ".join(str(error).split()), 200)
        raise BadInput(f"database, {_place(row)}", f"can't be read: {problem}", FIX) from error


def _place(row: Row) -> str:
    run = row.get("run_id", row.get("run"))
    names = [f"{name} {row[name]}" for name in ("id", "number", "round", "task", "name") if row.get(name) is not None]
    return storable_text(" of ".join([", ".join(names[:2]) or "a row", *([f"run {run}"] if run else [])]), 200)


@functools.cache
def columns_of(kind: type[TypeEngine[Any]]) -> frozenset[str]:
    """The names of the columns of a type. Columns of one name have one type in all tables, except for `id`."""
    columns = (column for table in schema.metadata.tables.values() for column in table.columns)
    return frozenset(column.name for column in columns if isinstance(column.type, kind)) - {"id"}


def plain_row(row: Row) -> dict[str, Any]:
    """Return a row with values of the columns' types. Spending that can't be true is 0. Raises ValueError."""
    plain = dict(row)
    for name, reader in _readers(tuple(row)):
        plain[name] = reader(plain[name])
    if bytes in map(type, plain.values()):
        return {name: _text(value) for name, value in plain.items()}
    return plain


@functools.cache
def _readers(names: tuple[str, ...]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """What makes the values of these columns plain; those of text are as they are, unless they are no text."""
    readers = ((name, _reader(name)) for name in names)
    return tuple((name, reader) for name, reader in readers if reader is not _text)


@functools.cache
def _reader(name: str) -> Callable[[Any], Any]:
    """What makes a value of this column plain, or raises ValueError or TypeError."""
    if name in SPENDING:
        return plausible
    if name in columns_of(Integer):
        return functools.partial(_whole_number, name)
    if name in columns_of(Double) | SCORES:
        return functools.partial(_number, name)
    return _time if name == "at" or name.endswith("_at") else _text


def _whole_number(name: str, value: Any) -> Any:
    if value is None or isinstance(value, int):
        return value
    raise ValueError(f"{name} is {value!r}, no whole number")


def _number(name: str, value: Any) -> Any:
    if value is None or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    raise ValueError(f"{name} is {value!r}, no number")


def _time(value: Any) -> Any:
    if value is not None:
        datetime.fromisoformat(value)
    return value


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
