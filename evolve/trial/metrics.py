"""What ATIF says about a call of the model and its offer: tokens, cost and tool definitions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from evolve.core.records import ModelSpec, Usage
from evolve.llm.reported import read_usage
from evolve.llm.usage import usage_of
from evolve.trial.recording import REUSED, encode_line
from evolve.trial.room import Room

Event = Mapping[str, Any]


def call_metrics(event: Event, models: Sequence[ModelSpec]) -> dict[str, Any]:
    """The metrics of an answered call: the tokens that the endpoint reported, and the cost in US dollars if known."""
    usage, model = event["response"].get("usage") or {}, asked_model(event, models)
    spent = usage_of(event["response"], model, event["request"])
    metrics: dict[str, Any] = {name: usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens")}
    if spent.cached_tokens and not event.get(REUSED):
        metrics["cached_tokens"] = spent.cached_tokens
    return {**metrics, "cost_usd": spent.cost_usd} if _has_known_cost(event, model) else metrics


def final_metrics(events: Iterable[Event], usage: Usage, models: Sequence[ModelSpec], steps: int) -> dict[str, Any]:
    """The totals of a trial. The cost is left out unless that of each call is known."""
    metrics: dict[str, Any] = {
        "total_prompt_tokens": usage.prompt_tokens,
        "total_completion_tokens": usage.completion_tokens,
    }
    if usage.cached_tokens:
        metrics["total_cached_tokens"] = usage.cached_tokens
    answered = ((event, asked_model(event, models)) for event in answered_calls(events))
    if all(model.priced for model in models) or (usage.cost_usd and all(_has_known_cost(*call) for call in answered)):
        metrics["total_cost_usd"] = usage.cost_usd
    return {**metrics, "total_steps": steps}


def asked_model(event: Event, models: Sequence[ModelSpec]) -> ModelSpec:
    """The model that a call asked; the trial's own for a name that none has."""
    return next((model for model in models if model.name == event["request"].get("model")), models[0])


def answered_calls(events: Iterable[Event]) -> Iterator[Event]:
    """The events of calls that the model answered, in order."""
    return (event for event in events if event["kind"] == "chat" and answer_of(event) is not None)


def answer_of(event: Event) -> Mapping[str, Any] | None:
    """The message with which the model answered a call; None if the call was refused."""
    message: Mapping[str, Any] | None = (event.get("response") or {}).get("choices", [{}])[0].get("message")
    return message


class ToolDefinitions:
    """The tools that the requests of a trial offered, each once."""

    def __init__(self) -> None:
        self._found: dict[bytes, dict[str, Any]] = {}

    def add(self, request: Mapping[str, Any], room: Room) -> None:
        """Add the tools and functions of a request, as many as there is room for."""
        for tool in _offered_tools(request):
            if (key := encode_line(tool)) not in self._found and room.take(tool):
                self._found[key] = tool

    @property
    def field(self) -> dict[str, list[dict[str, Any]]]:
        """The field of an agent; nothing without tools."""
        return {"tool_definitions": list(self._found.values())} if self._found else {}


def _offered_tools(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """In the form of OpenAI's tools."""
    tools, functions = (request.get(name) for name in ("tools", "functions"))
    offered = [dict(tool) for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list) else []
    if isinstance(functions, list):
        offered += [{"type": "function", "function": dict(one)} for one in functions if isinstance(one, Mapping)]
    return offered


def _has_known_cost(event: Event, model: ModelSpec) -> bool:
    return model.priced or read_usage(event["response"].get("usage")).usd is not None
