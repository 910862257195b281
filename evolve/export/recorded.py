"""What an export relies on in a recording: a plug-in's executor may have stored another one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evolve.trial.recording import TIME_FIELDS, Event

YEARS = range(1971, 2500)


class _Loose(BaseModel):
    """A part of an event; fields that no export reads are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Choice(_Loose):
    message: dict[str, Any] | None = None


class _Response(_Loose):
    choices: list[_Choice] = Field(min_length=1)


class _Request(_Loose):
    messages: list[Any]


class _Error(_Loose):
    code: str | int


class RecordedEvent(_Loose):
    """One event of a recording: a call of the model with its answer or error, or something done in the container."""

    kind: str
    request: _Request | None = None
    response: _Response | None = None
    error: _Error | None = None
    exit_code: int = 0
    started_at: str | None = None
    ended_at: str | None = None

    @field_validator(*TIME_FIELDS)
    @classmethod
    def _is_a_time(cls, at: str | None) -> str | None:
        if at is not None and ((time := datetime.fromisoformat(at)).tzinfo is None or time.year not in YEARS):
            raise ValueError("a time has a zone, and fits into 64 bits of nanoseconds")
        return at

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.kind == "chat" and (self.request is None or (self.response is None) == (self.error is None)):
            raise ValueError("a call has a request, and an answer or an error")
        times = [datetime.fromisoformat(at) for at in (self.started_at, self.ended_at) if at is not None]
        if len(times) == 1 or sorted(times) != times:
            raise ValueError("an event ends after its start")
        return self


def is_event(event: Event) -> bool:
    """Whether it has the form in which this version and earlier ones record it."""
    try:
        RecordedEvent.model_validate(event)
    except ValidationError:
        return False
    return True
