"""What is wrong with a file or setting that a pydantic model rejected, in the words of Evolve's errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

MOST_SHOWN = 60
# By the kind of an error, up to its first underscore.
EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "tuple": "a list",
    "list": "a list",
    "dict": "a table",
    "mapping": "a table",
    "model": "a table",
    "finite": "a finite number",
}
TYPE_ERRORS = ("_type", "_parsing", "_from_float", "_attributes_type", "finite_number")
# By the kind of an error, which has the bound under the same name.
BOUNDS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
BOUND_WORDS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}


@dataclass(frozen=True)
class Invalid:
    """The first fault of a document: the key that has it, what is wrong, and what to do.

    Attributes:
        path: The key and the tables around it; empty if the document as a whole is wrong.
        value: What the key holds; None for one that is missing.
        is_unknown: Whether there is no such key.
    """

    path: tuple[str, ...]
    problem: str
    fix: str
    value: object = None
    is_unknown: bool = False

    @property
    def key(self) -> str:
        return ".".join(self.path)

    @property
    def text(self) -> str:
        """Key and problem."""
        return f"key `{self.key}`: {self.problem}" if self.path else self.problem


def first_fault(error: ValidationError, model: type[BaseModel]) -> Invalid:
    """The fault to report. An unknown key comes first: it may be the misspelling of one that is missing."""
    faults: Sequence[Mapping[str, Any]] = [dict(one) for one in error.errors()]
    chosen = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
    path = tuple(str(part) for part in chosen["loc"])
    if chosen["type"] == "extra_forbidden":
        known = keys_below(model, path[:-1])
        return Invalid(path, "there is no such key", nearest(path[-1], known), chosen["input"], is_unknown=True)
    if chosen["type"] == "missing":
        return _missing(path, chosen["input"], keys_below(model, path[:-1]))
    return Invalid(path, problem_words(chosen), "correct its value", chosen["input"])


def _missing(path: tuple[str, ...], table: object, known: Sequence[str]) -> Invalid:
    """A key that is missing, or the one that looks like it, where unknown keys are allowed."""
    others = [key for key in table if isinstance(key, str) and key not in known] if isinstance(table, Mapping) else []
    if close := get_close_matches(path[-1], others, n=1):
        fix = f"did you mean `{path[-1]}`?"
        return Invalid((*path[:-1], close[0]), "there is no such key", fix, is_unknown=True)
    return Invalid(path, "is missing", "add it")


def nearest(name: str, known: Sequence[str]) -> str:
    """The name that is meant, as the fix of an error; without a similar one, all of them."""
    if close := get_close_matches(name, known, n=1):
        return f"did you mean `{close[0]}`?"
    return f"use one of: {', '.join(known)}" if known else "leave it out"


def problem_words(error: Mapping[str, Any]) -> str:
    """What is wrong with a value. error: one of `ValidationError.errors()`."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind in BOUNDS:
        bound = BOUNDS[kind]
        limit = context[bound]
        return f"must be {BOUND_WORDS[bound]} {f'{limit:g}' if isinstance(limit, float) else limit}"
    if kind.endswith(TYPE_ERRORS) and (expected := EXPECTED.get(kind.partition("_")[0])):
        return f"must be {expected}"
    if kind in ("too_short", "string_too_short"):
        least = context.get("min_length", 1)
        return "must not be empty" if least == 1 else f"must have at least {least} entries"
    if kind in ("literal_error", "enum"):
        return f"must be {context['expected']}"
    text = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return text[:1].lower() + text[1:]


def shown_value(value: object) -> str:
    """A value as it may stand in a line."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def keys_below(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """The keys that a table has, of a model and the tables that it holds; none where any are allowed."""
    for part in path:
        if part.isdecimal():
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        inner = list(_models(fields[part].annotation)) if part in fields else []
        if not inner:
            return []
        model = inner[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type such as `tuple[Model, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
