"""Take secrets out of what a page shows, before it becomes a page: no tag and no script is touched."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar

from markupsafe import Markup
from pydantic import BaseModel

from evolve.export.redaction import Redactor

View = TypeVar("View")
# Names and verdicts stand on a page many times, and on each page again.
SHORT, REMEMBERED = 200, 20_000


def redacted(view: View, redactor: Redactor) -> View:
    """The same value with every text in it redacted: in dataclasses, models, collections and mappings."""
    return _redacted(view, redactor) if any(redactor.secrets) else view


def _redacted(value: Any, redactor: Redactor) -> Any:
    """The very value if nothing in it is a secret."""
    if isinstance(value, str):
        # Markup was made of texts without secrets.
        return value if isinstance(value, Enum | Markup) else _text(value, redactor)
    if isinstance(value, Mapping):
        items = [item for pair in value.items() for item in pair]
        changed = _all(items, redactor)
        return value if changed is items else dict(zip(changed[::2], changed[1::2], strict=True))
    if isinstance(value, list | tuple | set | frozenset):
        items = list(value)
        changed = _all(items, redactor)
        return value if changed is items else _like(value, changed)
    if is_dataclass(value) and not isinstance(value, type):
        return _dataclass(value, redactor)
    return _model(value, redactor) if isinstance(value, BaseModel) else value


def _all(items: list[Any], redactor: Redactor) -> list[Any]:
    changed = [_redacted(item, redactor) for item in items]
    return items if all(new is old for new, old in zip(changed, items, strict=True)) else changed


def _like(value: Any, items: Iterable[Any]) -> Any:
    """A collection of the same kind with these items."""
    return value._make(items) if hasattr(value, "_make") else type(value)(items)


def _dataclass(value: Any, redactor: Redactor) -> Any:
    names = [field.name for field in fields(value) if field.init]
    old = [getattr(value, name) for name in names]
    changed = _all(old, redactor)
    return value if changed is old else replace(value, **dict(zip(names, changed, strict=True)))


def _model(value: BaseModel, redactor: Redactor) -> BaseModel:
    names = list(type(value).model_fields)
    old = [getattr(value, name) for name in names]
    changed = _all(old, redactor)
    return value if changed is old else value.model_copy(update=dict(zip(names, changed, strict=True)))


def _text(text: str, redactor: Redactor) -> str:
    changed = _remembered(text, redactor) if len(text) <= SHORT else redactor.text(text)
    return text if changed == text else changed


@functools.lru_cache(REMEMBERED)
def _remembered(text: str, redactor: Redactor) -> str:
    return redactor.text(text)
