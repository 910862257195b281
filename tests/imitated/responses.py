"""OpenAI's Responses API around the same model: requests and answers in its form, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evolve.core.records import stable_hash
from tests.imitated.behaviour import Body, Ledger, Refusal, message_of
from tests.imitated.refusals import openai_error

FIELDS = {
    "model", "input", "instructions", "stream", "stream_options", "store", "include", "max_output_tokens", "reasoning",
    "text", "tools", "tool_choice", "parallel_tool_calls", "temperature", "top_p", "truncation", "metadata", "user",
    "previous_response_id", "service_tier", "prompt_cache_key", "background",
}  # fmt: skip
MOVED = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
}
ENCRYPTED = "reasoning.encrypted_content"
Item = dict[str, Any]


def response_refusal(body: Body, ledger: Ledger) -> Refusal | None:
    """What the API refuses: fields of the other API, a temperature, calls without the reasoning that led to them."""
    for name in body:
        if name in MOVED:
            words = (
                f"Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to '{MOVED[name]}'."
            )
            return openai_error(words, name, "unsupported_parameter")
        if name not in FIELDS:
            return openai_error(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    if body.get("temperature") not in (None, 1):
        words = "Unsupported parameter: 'temperature' is not supported with this model."
        return openai_error(words, "temperature", "unsupported_parameter")
    return _missing_reasoning(_items(body))


def _missing_reasoning(items: list[Item]) -> Refusal | None:
    thoughts = {str(item.get("id")): item for item in items if item.get("type") == "reasoning"}
    for name, thought in thoughts.items():
        if not thought.get("encrypted_content"):
            words = f"Item with id '{name}' not found. Items are not persisted when `store` is set to false."
            return openai_error(words, "input", None, 404)
    for item in items:
        number = str(item.get("id") or "").removeprefix("fc_")
        if item.get("type") == "function_call" and number and f"rs_{number}" not in thoughts:
            words = (
                f"Item 'fc_{number}' of type 'function_call' was provided without its required 'reasoning' item: "
                f"'rs_{number}'."
            )
            return openai_error(words, "input", None)
    return None


def _items(body: Body) -> list[Item]:
    asked = body.get("input")
    return [{"type": "message", "role": "user", "content": asked}] if isinstance(asked, str) else list(asked or [])


def to_chat(body: Body) -> Body:
    """The request in the form of chat completions."""
    messages: list[Item] = []
    for item in _items(body):
        kind = item.get("type", "message")
        if kind == "message":
            messages.append({"role": item["role"], "content": _text(item.get("content"))})
        elif kind == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": _text(item["output"])})
        elif kind == "function_call":
            function = {"name": item["name"], "arguments": item["arguments"]}
            _add_call(messages, {"id": item["call_id"], "type": "function", "function": function})
    tools = [{"type": "function", "function": _without(tool, "type", "strict")} for tool in body.get("tools") or []]
    return {"model": body.get("model"), "messages": messages, **({"tools": tools} if tools else {})}


def _add_call(messages: list[Item], call: Item) -> None:
    """Calls belong to the assistant's message before them."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(call)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or [])


def _without(value: Item, *names: str) -> Item:
    return {key: item for key, item in value.items() if key not in names}


def to_response(body: Body, answer: Body) -> Body:
    """A chat completion as a response of this API, with its reasoning before what came of it."""
    usage = answer["usage"]
    counts = {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": usage.get("prompt_tokens_details") or {"cached_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": usage.get("completion_tokens_details") or {"reasoning_tokens": 0},
        "total_tokens": usage["total_tokens"],
    }
    return {
        "id": f"resp_{answer['id']}", "object": "response", "created_at": 0, "model": answer["model"], "error": None,
        "status": "completed", "incomplete_details": None, "output": list(_output(body, answer)), "usage": counts,
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "metadata": {}, "instructions": None,
    }  # fmt: skip


def _output(body: Body, answer: Body) -> Iterator[Item]:
    number = f"{stable_hash(answer['id']):016x}"
    secret = {"encrypted_content": f"gAAAA{number}"} if ENCRYPTED in (body.get("include") or []) else {}
    yield {"id": f"rs_{number}", "type": "reasoning", "summary": [], **secret}
    message = message_of(answer)
    if text := message.get("content"):
        part = {"type": "output_text", "text": text, "annotations": []}
        head = {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": "completed"}
        yield {**head, "content": [part]}
    for call in message.get("tool_calls") or []:
        head = {"id": f"fc_{number}", "type": "function_call", "call_id": call["id"], "status": "completed"}
        yield {**head, **call["function"]}


def response_events(response: Body) -> Iterator[Item]:
    """The events that a response is streamed as; its items come whole."""
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    steps: list[Item] = [{"type": "response.created", "response": begun}]
    for index, item in enumerate(response["output"]):
        steps.append({"type": "response.output_item.added", "output_index": index, "item": item})
        steps.append({"type": "response.output_item.done", "output_index": index, "item": item})
    steps.append({"type": "response.completed", "response": response})
    for number, step in enumerate(steps):
        yield {**step, "sequence_number": number}
