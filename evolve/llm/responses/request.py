"""Write a chat-completions request as one of the Responses API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evolve.core.records import ModelSpec
from evolve.llm import fields
from evolve.llm.model import Body
from evolve.llm.outgoing import is_never_sent
from evolve.llm.responses import items

# The API refuses smaller limits.
LEAST_ANSWER = 16
ENCRYPTED = "reasoning.encrypted_content"
ROLES = ("system", "developer")


def to_request(body: Body, spec: ModelSpec, reasoning: bool = True) -> dict[str, Any]:
    """Return the request in the form of the Responses API. Nothing of it is stored by the endpoint.

    Args:
        body: The request, in the form of chat completions.
        spec: The model.
        reasoning: Whether earlier reasoning may be sent back.
    """
    limit = None if is_never_sent(spec, "max_tokens") else fields.answer_limit(body)
    tools = [_tool(function) for function in fields.functions_of(body)]
    request = {
        "model": body.get("model"),
        "input": list(input_items(body, spec, reasoning)),
        "store": False,
        "include": [ENCRYPTED] if reasoning else None,
        "max_output_tokens": limit and max(limit, LEAST_ANSWER),
        "temperature": fields.given(body, "temperature", spec),
        "top_p": fields.given(body, "top_p", spec),
        "reasoning": fields.without_empty({"effort": fields.effort(body, spec)}),
        "text": fields.without_empty({"format": _answer_format(fields.given(body, "response_format", spec))}),
        "tools": tools or None,
        "tool_choice": _tool_choice(fields.given(body, "tool_choice", spec)) if tools else None,
        "parallel_tool_calls": fields.given(body, "parallel_tool_calls", spec) if tools else None,
    }
    return fields.with_extra_body(fields.without_empty(request), spec)


def input_items(body: Body, spec: ModelSpec, reasoning: bool) -> Iterator[dict[str, Any]]:
    """Yield the items of a conversation; calls and their outputs are items of their own."""
    for message in fields.messages_of(body):
        role, content = message.get("role"), message.get("content")
        if role == "assistant":
            keep = reasoning and bool(spec.keep_reasoning or message.get("tool_calls"))
            yield from items.assistant_items(message, keep)
        elif role == "tool":
            call_id = str(message.get("tool_call_id") or "")
            yield {"type": "function_call_output", "call_id": call_id, "output": _content(content)}
        else:
            yield {"type": "message", "role": role if role in ROLES else "user", "content": _content(content)}


def _content(content: Any) -> str | list[dict[str, Any]]:
    """Return the content of a message or an output: a text, or parts if there are images."""
    parts = fields.parts_of(content)
    return [_part(part) for part in parts] if any(map(fields.image_url, parts)) else fields.text_of(content)


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if url := fields.image_url(part):
        image = part["image_url"]
        detail = image.get("detail") if isinstance(image, Mapping) else None
        return {"type": "input_image", "image_url": url, "detail": detail or "auto"}
    return {"type": "input_text", "text": fields.text_of([part])}


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    tool = {
        "type": "function",
        "name": function["name"],
        "description": function.get("description"),
        "parameters": function.get("parameters") or {"type": "object", "properties": {}},
        # The API's own default is strict, unlike that of chat completions.
        "strict": bool(function.get("strict")),
    }
    return fields.without_empty(tool)


def _tool_choice(choice: Any) -> Any:
    function = choice.get("function") if isinstance(choice, Mapping) else None
    if isinstance(function, Mapping):
        return {"type": "function", "name": function.get("name")}
    return choice if isinstance(choice, str) else None


def _answer_format(wanted: Any) -> Any:
    """Return `response_format` in the API's form, which has the fields of the schema beside its type."""
    if not isinstance(wanted, Mapping):
        return None
    schema = wanted.get("json_schema")
    return {**(schema if isinstance(schema, Mapping) else {}), "type": wanted.get("type")}
