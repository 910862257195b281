"""ATIF (Agent Trajectory Interchange Format) 1.0 to 1.8 as a strict model: what it rejects is not exported."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator, model_validator

MOST_MINOR = 8
Extra = dict[str, Any] | None
OF_AGENTS = ("model_name", "reasoning_effort", "reasoning_content", "tool_calls", "metrics")
OF_MODELS = ("metrics", "reasoning_content")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """The file of an image or a sound."""

    media_type: str
    path: str


class ContentPart(_Part):
    type: Literal["text", "image", "audio"]
    text: str | None = None
    source: Source | None = None

    @model_validator(mode="after")
    def _has_its_content(self) -> Self:
        is_text = self.type == "text"
        if (self.text is None, self.source is None) != (not is_text, is_text):
            raise ValueError("a text has `text` alone, an image or a sound `source` alone")
        return self


Content = str | list[ContentPart]


class TrajectoryRef(_Part):
    trajectory_id: str | None = None
    session_id: str | None = None
    trajectory_path: str | None = None
    extra: Extra = None


class ToolCall(_Part):
    tool_call_id: str
    function_name: str
    arguments: dict[str, Any]
    extra: Extra = None


class Result(_Part):
    source_call_id: str | None = None
    content: Content | None = None
    subagent_trajectory_ref: list[TrajectoryRef] | None = None
    extra: Extra = None


class Observation(_Part):
    results: list[Result]


class Metrics(_Part):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: FiniteFloat | None = None
    prompt_token_ids: list[int] | None = None
    completion_token_ids: list[int] | None = None
    logprobs: list[float] | None = None
    extra: Extra = None


class Step(_Part):
    step_id: int = Field(ge=1)
    timestamp: str | None = None
    source: Literal["system", "user", "agent"]
    model_name: str | None = None
    reasoning_effort: str | FiniteFloat | None = None
    message: Content
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    observation: Observation | None = None
    metrics: Metrics | None = None
    is_copied_context: bool | None = None
    llm_call_count: int | None = Field(None, ge=0)
    extra: Extra = None

    @field_validator("timestamp")
    @classmethod
    def _is_a_time(cls, text: str | None) -> str | None:
        if text is not None:
            datetime.fromisoformat(text)
        return text

    @model_validator(mode="after")
    def _fits_its_source(self) -> Self:
        barred = OF_AGENTS if self.source != "agent" else OF_MODELS if self.llm_call_count == 0 else ()
        if found := [name for name in barred if getattr(self, name) is not None]:
            raise ValueError(f"`{found[0]}` is for the model's steps")
        called = {call.tool_call_id for call in self.tool_calls or ()}
        answered = {result.source_call_id for result in (self.observation.results if self.observation else ())}
        if unknown := answered - called - {None}:
            raise ValueError(f"no call of this step is {sorted(map(str, unknown))[0]!r}")
        return self


class Agent(_Part):
    name: str
    version: str
    model_name: str | None = None
    tool_definitions: list[dict[str, Any]] | None = None
    extra: Extra = None


class FinalMetrics(_Part):
    total_prompt_tokens: int | None = None
    total_completion_tokens: int | None = None
    total_cached_tokens: int | None = None
    total_cost_usd: FiniteFloat | None = None
    total_steps: int | None = Field(None, ge=0)
    extra: Extra = None


class Trajectory(_Part):
    schema_version: str
    session_id: str | None = None
    trajectory_id: str | None = None
    agent: Agent
    steps: list[Step] = Field(min_length=1)
    notes: str | None = None
    final_metrics: FinalMetrics | None = None
    continued_trajectory_ref: str | None = None
    extra: Extra = None
    subagent_trajectories: list[Trajectory] | None = None

    @field_validator("schema_version")
    @classmethod
    def _is_known(cls, version: str) -> str:
        if version not in {f"ATIF-v1.{minor}" for minor in range(MOST_MINOR + 1)}:
            raise ValueError(f"{version!r} is not known")
        return version

    @model_validator(mode="after")
    def _is_numbered(self) -> Self:
        if [step.step_id for step in self.steps] != list(range(1, len(self.steps) + 1)):
            raise ValueError("steps are numbered from 1")
        names = [inner.trajectory_id for inner in self.subagent_trajectories or ()]
        if None in names or len(set(names)) < len(names):
            raise ValueError("each inner trajectory has a `trajectory_id` of its own")
        return self


def problem_of(document: Mapping[str, Any]) -> str:
    """Why a document is not ATIF, in one line; "" if it is."""
    try:
        Trajectory.model_validate(document)
    except ValidationError as error:
        first: Any = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return ""
