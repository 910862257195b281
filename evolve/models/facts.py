"""The facts that a profile states, each with its source: what requests look like, limits and prices."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from evolve.core.records import Api

# Names of our own requests' parameters, which an endpoint may call otherwise or refuse.
PARAMETERS = frozenset(
    {
        "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format", "stop",
        "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty",
        "logit_bias", "logprobs", "top_logprobs", "max_tokens", "seed", "reasoning_effort",
    }
)  # fmt: skip
# Fields of a request that the run itself decides on.
OWN_FIELDS = frozenset(
    {"model", "messages", "tools", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "seed"}
)
# Headers that hold a key, which is stored nowhere, and those that the client sets.
KEY_HEADERS = ("authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie")
CLIENT_HEADERS = ("host", "content-type", "content-length", "transfer-encoding", "connection", "accept-encoding")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HEADER_VALUE = re.compile(r"[\x20-\x7e]+")


class Sourced(BaseModel):
    """A fact with its source (a URL or `repository: path`) and date.

    undated: the source has no date, and `as_of` is the day on which its stored copy was read. `as_of` None: not stated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str = Field(min_length=1)
    as_of: date | None = None
    undated: bool = False

    @property
    def day(self) -> str:
        """The date in ISO form, marked if it is only the day of reading; empty if there is none."""
        return f"{self.as_of or ''}{' (undated)' if self.undated else ''}"


class Context(Sourced):
    """The model's context window, in tokens of prompt and completion together."""

    tokens: int = Field(gt=0)


class AnswerTokens(Sourced):
    """The most tokens that the endpoint lets an answer have."""

    tokens: int = Field(gt=0)


class Protocol(Sourced):
    """The protocol of the endpoint."""

    name: Api


class Effort(Sourced):
    """The value of `reasoning_effort` in each request."""

    value: str = Field(min_length=1)


class Rates(Sourced):
    """The most requests and tokens a minute that the endpoint takes; None: unknown."""

    requests_per_minute: int | None = Field(None, gt=0)
    tokens_per_minute: int | None = Field(None, gt=0)


class Price(Sourced):
    """US dollars per million tokens of prompt and of completion, and of prompt read from or written into a cache."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)
    cached: float | None = Field(None, ge=0)
    cache_write: float | None = Field(None, ge=0)


class Sampling(Sourced):
    """The sampling parameters that the model's maker recommends; None: no recommendation."""

    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, gt=0)

    @property
    def pairs(self) -> tuple[tuple[str, int | float], ...]:
        """The parameters as (name in a request, value)."""
        values = {"temperature": self.temperature, "top_p": self.top_p, "top_k": self.top_k}
        return tuple((name, value) for name, value in values.items() if value is not None)


class FreeTable(Sourced):
    """A table whose keys are not known beforehand, beside those of its source."""

    entries: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather_entries(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "entries" in values:
            return values
        own = {key: values[key] for key in Sourced.model_fields if key in values}
        return {**own, "entries": {key: value for key, value in values.items() if key not in own}}

    def over(self, common: Self | None) -> Self:
        """The table of a model, completed with the entries of its profile's table."""
        if common is None:
            return self
        source = self.source if self.source == common.source else f"{self.source}; {common.source}"
        return self.model_copy(update={"entries": {**common.entries, **self.entries}, "source": source})


class Parameters(FreeTable):
    """The endpoint's names for parameters of our requests; false: it is never sent."""

    @field_validator("entries")
    @classmethod
    def _check_names(cls, entries: dict[str, Any]) -> dict[str, Any]:
        for name, value in entries.items():
            if name not in PARAMETERS:
                raise ValueError(f"there is no parameter {name}; use one of: {', '.join(sorted(PARAMETERS))}")
            if value is not False and not isinstance(value, str):
                raise ValueError(f"{name} must be the endpoint's name for it, or false")
        return entries

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(our name, the endpoint's name), sorted; the second is empty for a parameter that is never sent."""
        return tuple(sorted((name, value or "") for name, value in self.entries.items()))


class ExtraBody(FreeTable):
    """Fields that are added to each request."""

    @field_validator("entries")
    @classmethod
    def _check_entries(cls, entries: dict[str, Any]) -> dict[str, Any]:
        body_text(entries)
        return entries

    @property
    def text(self) -> str:
        """The text of a JSON object; "" for no field."""
        return body_text(self.entries)


class Headers(FreeTable):
    """Headers that are added to each request."""

    @field_validator("entries")
    @classmethod
    def _check_entries(cls, entries: dict[str, Any]) -> dict[str, Any]:
        header_pairs(entries)
        return entries

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(name, value), sorted by name."""
        return header_pairs(self.entries)


def body_text(fields: Mapping[str, Any]) -> str:
    """Additional fields of a request as the text of a JSON object with sorted keys; "" for none.

    Raises:
        ValueError: A field is one that the run decides on, or a value can't be written as JSON.
    """
    if own := sorted(OWN_FIELDS.intersection(fields)):
        raise ValueError(f"the run itself sets {own[0]}")
    if "reasoning_effort" in fields:
        raise ValueError("there is a setting of its own for reasoning_effort")
    try:
        return json.dumps(fields, sort_keys=True, allow_nan=False) if fields else ""
    except (TypeError, ValueError) as error:
        raise ValueError(f"a value can't be written as JSON: {error}") from error


def header_pairs(headers: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Additional headers as pairs of name and value, sorted.

    Raises:
        ValueError: A header is malformed, holds a key, or is one that the client sets. No value is ever shown.
    """
    for name, value in headers.items():
        if name.lower() in KEY_HEADERS:
            raise ValueError(f"the header {name} holds a key, which would be stored; see `key_variable`")
        if name.lower() in CLIENT_HEADERS:
            raise ValueError(f"the client itself sets {name}")
        if not HEADER_NAME.fullmatch(name):
            raise ValueError(f"there can be no header {name!r}")
        if not isinstance(value, str) or not HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the value of {name} must be a line of printable ASCII characters")
    return tuple(sorted(headers.items()))
