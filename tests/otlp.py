"""A strict model of a trace in OTLP's JSON form: names in camel case, ids in hexadecimal, long integers as text."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

TraceId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
SpanId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Nanoseconds = Annotated[str, Field(pattern="^[1-9][0-9]{15,19}$")]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AnyValue(Part):
    stringValue: str | None = None
    boolValue: bool | None = None
    intValue: str | None = Field(None, pattern="^-?[0-9]{1,19}$")
    doubleValue: FiniteFloat | None = None
    arrayValue: ArrayValue | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        assert len(self.model_fields_set) == 1
        return self


class ArrayValue(Part):
    values: list[AnyValue]


class KeyValue(Part):
    key: str = Field(min_length=1)
    value: AnyValue


class Status(Part):
    code: Literal[2]
    message: str | None = None


class Span(Part):
    traceId: TraceId
    spanId: SpanId
    parentSpanId: SpanId | None = None
    name: str = Field(min_length=1)
    kind: Literal[1, 3]
    startTimeUnixNano: Nanoseconds
    endTimeUnixNano: Nanoseconds
    attributes: list[KeyValue]
    status: Status | None = None

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        assert int(self.startTimeUnixNano) <= int(self.endTimeUnixNano)
        keys = [attribute.key for attribute in self.attributes]
        assert len(set(keys)) == len(keys)
        return self


class Scope(Part):
    name: str
    version: str


class ScopeSpans(Part):
    scope: Scope
    spans: list[Span] = Field(min_length=1)


class Resource(Part):
    attributes: list[KeyValue]


class ResourceSpans(Part):
    resource: Resource
    scopeSpans: list[ScopeSpans] = Field(min_length=1, max_length=1)
    schemaUrl: str


class TracesData(Part):
    resourceSpans: list[ResourceSpans] = Field(min_length=1, max_length=1)


def spans_of(line: bytes | str) -> list[Span]:
    """The spans of a trace, the trial's first: the others lie within it, and below it."""
    root, *others = spans = TracesData.model_validate_json(line).resourceSpans[0].scopeSpans[0].spans
    assert root.parentSpanId is None and all(span.parentSpanId == root.spanId for span in others)
    assert {span.traceId for span in spans} == {root.traceId}
    assert len({span.spanId for span in spans}) == len(spans)
    for span in others:
        assert int(root.startTimeUnixNano) <= int(span.startTimeUnixNano)
        assert int(span.endTimeUnixNano) <= int(root.endTimeUnixNano)
    return spans
