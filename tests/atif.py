"""Our own strict model of ATIF-v1.8, as far as Evolve writes it: a key that it does not know is an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator

Tokens = int | None
Source = Literal["system", "user", "agent"]
OF_AGENTS = ("reasoning_content", "tool_calls", "metrics")


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ToolCall(Part):
    tool_call_id: str
    function_name: str
    arguments: dict[str, Any]


class Result(Part):
    source_call_id: str
    content: str


class Observation(Part):
    results: list[Result]


class Metrics(Part):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    cached_tokens: int | None = Field(None, gt=0)
    cost_usd: FiniteFloat | None = Field(None, ge=0)


class Step(Part):
    step_id: int
    source: Source
    message: str
    timestamp: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    observation: Observation | None = None
    metrics: Metrics | None = None
    is_copied_context: bool | None = None
    llm_call_count: Literal[1] | None = None
    extra: dict[str, Any] | None = None

    @field_validator("timestamp")
    @classmethod
    def _is_utc(cls, at: str | None) -> str | None:
        assert at is None or datetime.fromisoformat(at).isoformat(timespec="microseconds").endswith("+00:00")
        return at

    @model_validator(mode="after")
    def _fits_its_source(self) -> Self:
        assert self.source == "agent" or all(getattr(self, name) is None for name in OF_AGENTS)
        called = {call.tool_call_id for call in self.tool_calls or ()}
        assert all(result.source_call_id in called for result in (self.observation.results if self.observation else ()))
        return self


class Agent(Part):
    name: str
    version: str
    model_name: str
    tool_definitions: list[dict[str, Any]] | None = Field(None, min_length=1)


class FinalMetrics(Part):
    total_prompt_tokens: int = Field(ge=0)
    total_completion_tokens: int = Field(ge=0)
    total_cached_tokens: int | None = Field(None, gt=0)
    total_cost_usd: FiniteFloat | None = Field(None, ge=0)
    total_steps: int = Field(ge=1)


class Trajectory(Part):
    schema_version: Literal["ATIF-v1.8"]
    session_id: str
    agent: Agent
    steps: list[Step] = Field(min_length=1)
    final_metrics: FinalMetrics
    extra: dict[str, Any]

    @model_validator(mode="after")
    def _is_numbered(self) -> Self:
        assert [step.step_id for step in self.steps] == list(range(1, len(self.steps) + 1))
        assert self.final_metrics.total_steps == len(self.steps)
        return self


def check_trajectory(document: Mapping[str, Any]) -> None:
    """Assert that a document keeps the rules of the format, and survives a round trip through model and JSON."""
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert Trajectory.model_validate_json(text).model_dump(exclude_none=True) == _without_none(document)


def _without_none(value: Any) -> Any:
    """As pydantic leaves `None` out, at any depth."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value
