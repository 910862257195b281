"""Take secrets out of what a page shows, before it becomes a page: no tag and no script is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar

from evolve.export.redaction import Redactor

View = TypeVar("View")


def redacted(view: View, redactor: Redactor) -> View:
    """The same value with every text in it redacted: in dataclasses, tuples, lists and mappings, with their keys."""
    return _redacted(view, redactor) if any(redactor.secrets) else view


def _redacted(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return value if isinstance(value, Enum) else redactor.text(value)
    if is_dataclass(value) and not isinstance(value, type):
        changes = {field.name: _redacted(getattr(value, field.name), redactor) for field in fields(value) if field.init}
        return replace(value, **changes)
    if isinstance(value, Mapping):
        return {_redacted(key, redactor): _redacted(item, redactor) for key, item in value.items()}
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(_redacted(item, redactor) for item in value)
    return [_redacted(item, redactor) for item in value] if isinstance(value, list) else value
