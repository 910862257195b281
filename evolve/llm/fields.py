"""Parameters and parts of our requests that other protocols take in another form, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolve.core.records import Api, ModelSpec
from evolve.llm.model import Body
from evolve.llm.outgoing import extra_fields, is_never_sent
from evolve.llm.parts import arguments_text

# Parameters that a scaffold or the host may set, for which a protocol has no field.
_NEITHER = {
    "seed", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias", "logprobs",
    "top_logprobs", "functions", "function_call",
}  # fmt: skip
UNSUPPORTED: dict[Api, frozenset[str]] = {
    "chat": frozenset(),
    "responses": frozenset({*_NEITHER, "top_k", "stop"}),
    "messages": frozenset(_NEITHER),
}


def unsupported_parameters(api: Api) -> frozenset[str]:
    """Return the parameters of our requests that are never sent over this protocol, which has no field for them."""
    return UNSUPPORTED[api]


def given(body: Body, name: str, spec: ModelSpec) -> Any:
    """Return the value of a parameter; None if it is not set, or the endpoint refuses it."""
    return None if is_never_sent(spec, name) else body.get(name)


def effort(body: Body, spec: ModelSpec) -> Any:
    """Return the reasoning effort of a request; None if it is not sent."""
    asked = {"reasoning_effort": body.get("reasoning_effort") or spec.effort or None}
    return given(asked, "reasoning_effort", spec)


def answer_limit(body: Body) -> int | None:
    """Return the most tokens that an answer may have; None if the request does not say."""
    limits = (body.get("max_tokens"), body.get("max_completion_tokens"))
    return next((limit for limit in limits if isinstance(limit, int) and limit > 0), None)


def without_empty(fields: Body) -> dict[str, Any]:
    """Return the fields that have a value: None and empty objects are left out."""
    return {key: value for key, value in fields.items() if value is not None and value != {}}


def with_extra_body(fields: Body, spec: ModelSpec) -> dict[str, Any]:
    """Return a request without the fields that the endpoint refuses, and with the model's `extra_body`.

    An object in `extra_body` is added to the object of that name, all other values replace ours. Names of
    `ModelSpec.parameters` other than "" have no effect: these protocols fix the names.

    Raises:
        BadInput: `extra_body` is not the text of a JSON object.
    """
    kept = {key: value for key, value in fields.items() if not is_never_sent(spec, key)}
    for key, value in extra_fields(spec).items():
        before = kept.get(key)
        kept[key] = {**before, **value} if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return kept


def tools_of(body: Body) -> list[Mapping[str, Any]]:
    """Return the request's tools that are functions with a name."""
    tools = body.get("tools")
    listed = [tool for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list) else []
    return [tool for tool in listed if isinstance(tool.get("function"), Mapping) and tool["function"].get("name")]


def functions_of(body: Body) -> list[Mapping[str, Any]]:
    """Return the functions among the request's tools."""
    return [tool["function"] for tool in tools_of(body)]


def messages_of(body: Body) -> list[Mapping[str, Any]]:
    """Return the well-formed messages of a request."""
    messages = body.get("messages")
    return [message for message in messages if isinstance(message, Mapping)] if isinstance(messages, list) else []


def calls_of(message: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return a message's tool calls: id, name, and the text of the arguments (`{}` if there are none)."""
    calls = message.get("tool_calls")
    listed = [call for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
    pairs = [(call, call.get("function")) for call in listed]
    return [
        (str(call.get("id") or ""), str(function.get("name") or ""), arguments_text(function.get("arguments")))
        for call, function in pairs
        if isinstance(function, Mapping)
    ]


def parts_of(content: Any) -> list[Mapping[str, Any]]:
    """Return the parts of a message's content; a text is one part."""
    parts = content if isinstance(content, list) else [content]
    texts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return [part for part in texts if isinstance(part, Mapping)]


def text_of(content: Any) -> str:
    """Return the text of a message's content, refusals included."""
    return "".join(str(part.get("text") or part.get("refusal") or "") for part in parts_of(content))


def known_texts(item: Any, *names: str) -> dict[str, Any]:
    """Return those of the named fields of an object that are text."""
    value = item if isinstance(item, Mapping) else {}
    return {name: value[name] for name in names if isinstance(value.get(name), str)}


def image_url(part: Mapping[str, Any]) -> str:
    """Return the address of an image part, which may be a data URL; "" for other parts."""
    image = part.get("image_url") if part.get("type") == "image_url" else None
    url = image.get("url") if isinstance(image, Mapping) else image
    return url if isinstance(url, str) else ""
