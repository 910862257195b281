"""The one form of an answer, as a check: what a model's `complete` may return, and the errors that it may raise."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from evolve.core.errors import AccountError, EndpointError, EvolveError, RequestRefused
from evolve.core.records import Fault, ModelSpec, Usage
from evolve.llm.foreign_json import MAX_DEPTH, MAX_NUMBER
from evolve.llm.model import Body
from evolve.llm.normal import MAX_CALLS, MAX_NAME
from evolve.llm.usage import usage_of

# A whole run of such calls still fits into a 64-bit integer.
MOST_TOKENS = 10**9
MAX_ERROR = 4_000
Name = Annotated[str, Field(min_length=1)]
Label = Annotated[str, Field(max_length=MAX_NAME)]
# What `complete` raises for an endpoint that has answered before.
DOCUMENTED = (EndpointError, AccountError, RequestRefused)


class Strict(BaseModel):
    """Known fields have their one type; unknown ones are kept."""

    model_config = ConfigDict(strict=True, extra="allow")


class Function(Strict):
    name: str
    arguments: Name


class Call(Strict):
    id: Name
    type: Literal["function"]
    function: Function


class Message(Strict):
    role: Literal["assistant"]
    content: str | None
    tool_calls: Annotated[list[Call], Field(min_length=1, max_length=MAX_CALLS)] = Field(default_factory=list)
    function_call: Function | None = None
    reasoning_content: str = ""
    reasoning: str = ""
    refusal: str = ""


class Choice(Strict):
    index: int
    message: Message
    finish_reason: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


class Completion(Strict):
    object: Literal["chat.completion"]
    choices: Annotated[list[Choice], Field(min_length=1)]
    usage: dict[str, Any] = Field(default_factory=dict)
    id: Label = ""
    model: Label = ""
    system_fingerprint: Label = ""
    service_tier: Label = ""
    provider: Label = ""


def check_completion(answer: Mapping[str, Any]) -> None:
    """Fail unless the answer has the one form."""
    Completion.model_validate(answer)
    assert json.loads(json.dumps(answer, allow_nan=False, ensure_ascii=False).encode()) == answer
    for value, depth in values_of(answer):
        assert depth <= MAX_DEPTH
        assert not isinstance(value, int) or abs(value) <= MAX_NUMBER
        assert not isinstance(value, float) or math.isfinite(value)
    for choice in answer["choices"]:
        ids = [call["id"] for call in choice["message"].get("tool_calls", [])]
        assert len(set(ids)) == len(ids)


def values_of(value: Any, depth: int = 0) -> Iterator[tuple[Any, int]]:
    """Each value within a value, and names of fields, with how deep it is."""
    yield value, depth
    inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for item in inner:
        yield from values_of(item, depth + 1)


def check_usage(usage: Usage) -> None:
    """Fail unless the usage fits into the database, and the sum of a run's does."""
    counts = (usage.calls, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.cache_write_tokens)
    assert all(type(count) is int and 0 <= count <= MOST_TOKENS for count in counts)
    assert usage.cached_tokens + usage.cache_write_tokens <= usage.prompt_tokens
    assert type(usage.cost_usd) in (int, float) and 0 <= usage.cost_usd < 1e6 and usage.retries < 1_000


def check_error(error: EvolveError) -> None:
    """Fail unless it is one of the documented errors, in short and valid text."""
    assert isinstance(error, DOCUMENTED), repr(error)
    texts = [str(error), *(value for value in vars(error).values() if isinstance(value, str))]
    assert all(text.encode() and "\0" not in text and len(text) <= MAX_ERROR for text in texts), texts
    if isinstance(error, RequestRefused):
        assert 400 <= error.status <= 599
    else:
        assert error.fault in (Fault.ENDPOINT, Fault.ACCOUNT)


def check_answered(answer: Mapping[str, Any], spec: ModelSpec, body: Body) -> None:
    check_completion(answer)
    check_usage(usage_of(answer, spec, body))
