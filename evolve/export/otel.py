"""Traces of OpenTelemetry: one for each trial, in OTLP's JSON form, with the semantic conventions for GenAI. Pure.

The form is small and fixed (ids in hexadecimal, 64-bit integers as text, enumerations as numbers), and a line is made
of stored rows, not measured: the OpenTelemetry packages, which time running code, would add nothing but weight.
Conversations are not in the traces; the export of ATIF has them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from evolve import __version__
from evolve.core.records import Outcome, TrialResult
from evolve.export.redaction import Redactor
from evolve.export.selection import ExportedTrial, Selection
from evolve.llm.reported import read_usage
from evolve.trial.metrics import call_metrics
from evolve.trial.recording import ENDED_AT, STARTED_AT, TIME_FIELDS, Event
from evolve.trial.trajectory import AGENT

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"
INTERNAL, CLIENT = 1, 3
ERROR = 2
# For a provider that the conventions have no name for.
OTHER = "_OTHER"
PROVIDERS = {"messages": "anthropic"}
REQUEST_FIELDS = ("max_tokens", "seed", "temperature", "top_p", "frequency_penalty", "presence_penalty")
COMMAND_FIELDS = {"run": "command", "read": "path", "write": "path", "replace": "path"}
MOST_CHARS = 1000
ERRORS = (Outcome.SCAFFOLD_ERROR, Outcome.TIMEOUT, Outcome.BUDGET)
Span = dict[str, Any]


@dataclass(frozen=True)
class Tracer:
    """Makes the traces of one run."""

    selection: Selection
    redactor: Redactor

    def trace(self, trial: ExportedTrial, events: Sequence[Event]) -> dict[str, Any]:
        """One `TracesData` message: the trial's span, and below it the calls of the model and the commands.

        Events without times, of earlier versions, have no span.
        """
        trace_id = _hex(32, self.selection.row.id, trial.result.key)
        timed = [event for event in events if _is_timed(event)]
        spans = [self._event_span(event, _hex(16, trace_id, number), trace_id) for number, event in enumerate(timed, 1)]
        root = self._root_span(trial, trace_id, spans, complete=len(timed) == len(events))
        resource = {"service.name": "evolve", "service.version": __version__, "evolve.run": self.selection.row.id}
        return {
            "resourceSpans": [
                {
                    "resource": {"attributes": self._attributes(resource)},
                    "scopeSpans": [{"scope": {"name": "evolve", "version": __version__}, "spans": [root, *spans]}],
                    "schemaUrl": SCHEMA_URL,
                }
            ]
        }

    def _root_span(self, trial: ExportedTrial, trace_id: str, spans: Sequence[Span], complete: bool) -> Span:
        result = trial.result
        started = datetime.fromisoformat(result.started_at)
        start, end = _nanoseconds(started), _nanoseconds(started + timedelta(seconds=result.seconds))
        # The row's time is in whole seconds.
        start = min([start, *(int(span["startTimeUnixNano"]) for span in spans)])
        end = max([end, *(int(span["endTimeUnixNano"]) for span in spans)])
        span = {
            "traceId": trace_id,
            "spanId": _hex(16, trace_id, 0),
            "name": f"invoke_agent {AGENT}",
            "kind": INTERNAL,
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(end),
            "attributes": self._attributes({**self._trial_values(trial), "evolve.calls_are_complete": complete}),
        }
        failed = {"status": {"code": ERROR, "message": str(result.outcome)}} if result.outcome in ERRORS else {}
        return {**span, **failed}

    def _trial_values(self, trial: ExportedTrial) -> dict[str, Any]:
        result, model = trial.result, self.selection.config.model_spec
        cost = {"evolve.cost_usd": result.usage.cost_usd} if model.priced or result.usage.cost_usd else {}
        error = {"error.type": str(result.outcome)} if result.outcome in ERRORS else {}
        return {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": self._provider,
            "gen_ai.agent.name": AGENT,
            "gen_ai.agent.version": result.candidate[:12],
            "gen_ai.conversation.id": f"{self.selection.row.id}/{result.key}",
            "gen_ai.request.model": model.name,
            "gen_ai.usage.input_tokens": result.usage.prompt_tokens,
            "gen_ai.usage.output_tokens": result.usage.completion_tokens,
            "evolve.round": trial.round,
            **_row_values(result),
            **cost,
            **error,
        }

    @property
    def _provider(self) -> str:
        spec = self.selection.config.model_spec
        named = self.selection.config.facts.profile or PROVIDERS.get(spec.api)
        return named or ("openai" if spec.base_url is None and not spec.embedded else OTHER)

    def _event_span(self, event: Event, span_id: str, trace_id: str) -> Span:
        name, kind, values = self._call(event) if event["kind"] == "chat" else _command(event)
        start, end = (_nanoseconds(datetime.fromisoformat(event[field])) for field in TIME_FIELDS)
        failed = {"status": {"code": ERROR}} if "error.type" in values else {}
        return {
            "traceId": trace_id,
            "spanId": span_id,
            "parentSpanId": _hex(16, trace_id, 0),
            "name": self.redactor.text(name),
            "kind": kind,
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(end),
            "attributes": self._attributes(values),
            **failed,
        }

    def _call(self, event: Event) -> tuple[str, int, dict[str, Any]]:
        """Name, kind and attributes of a call of the model."""
        request, model = event["request"], self.selection.config.model_spec
        values = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": self._provider}
        values |= {"gen_ai.request.model": model.name}
        values |= {f"gen_ai.request.{name}": request[name] for name in REQUEST_FIELDS if _is_number(request.get(name))}
        values |= dict(_answer_values(event)) if "response" in event else {"error.type": str(event["error"]["code"])}
        cost = call_metrics(event, model).get("cost_usd") if "response" in event else None
        return f"chat {model.name}", CLIENT, values if cost is None else {**values, "evolve.cost_usd": cost}

    def _attributes(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{"key": key, "value": self._value(value)} for key, value in values.items()]

    def _value(self, value: Any) -> dict[str, Any]:
        """An `AnyValue` message."""
        if isinstance(value, bool):
            return {"boolValue": value}
        if isinstance(value, int):
            return {"intValue": str(value)}
        if isinstance(value, float):
            return {"doubleValue": value}
        if isinstance(value, list):
            return {"arrayValue": {"values": [self._value(item) for item in value]}}
        return {"stringValue": self.redactor.text(str(value))}


def _row_values(result: TrialResult) -> dict[str, Any]:
    return {
        "evolve.commit": result.candidate,
        "evolve.task": result.task,
        "evolve.split": str(result.split),
        "evolve.attempt": result.attempt,
        "evolve.seed": result.seed,
        "evolve.outcome": str(result.outcome),
        "evolve.reward": float(result.reward or 0.0),
    }


def _answer_values(event: Event) -> Iterator[tuple[str, Any]]:
    response = event["response"]
    for name in ("id", "model"):
        if isinstance(response.get(name), str):
            yield f"gen_ai.response.{name}", response[name]
    reasons = [str(choice["finish_reason"]) for choice in response["choices"] if choice.get("finish_reason")]
    if reasons:
        yield "gen_ai.response.finish_reasons", reasons
    reported = read_usage(response.get("usage"))
    yield "gen_ai.usage.input_tokens", reported.prompt
    yield "gen_ai.usage.output_tokens", reported.completion
    if reported.cached:
        yield "gen_ai.usage.cache_read.input_tokens", reported.cached


def _command(event: Event) -> tuple[str, int, dict[str, Any]]:
    """Name, kind and attributes of something that the scaffold did in the task's container."""
    kind = str(event["kind"])
    values: dict[str, Any] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": kind,
        "gen_ai.tool.type": "extension",
    }
    if field := COMMAND_FIELDS.get(kind):
        values["gen_ai.tool.call.arguments"] = json.dumps({field: str(event.get(field, ""))[:MOST_CHARS]})
    if "exit_code" in event:
        values["process.exit.code"] = int(event["exit_code"])
    if event.get("timed_out"):
        values["error.type"] = "timeout"
    return f"execute_tool {kind}", INTERNAL, values


def _is_timed(event: Event) -> bool:
    return STARTED_AT in event and ENDED_AT in event


def _is_number(value: Any) -> bool:
    """Whether a request's field is a number that fits into 64 bits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63


def _nanoseconds(at: datetime) -> int:
    """Since the epoch."""
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000


def _hex(digits: int, *parts: object) -> str:
    """An id made from what it is for."""
    return hashlib.sha256("/".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()[:digits]
