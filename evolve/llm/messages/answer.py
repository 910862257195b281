"""Read an answer of the Messages API as a `chat.completion`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx2
import openai

from evolve.llm import fields, pieces
from evolve.llm.faults import raise_reported
from evolve.llm.messages import blocks
from evolve.llm.pieces import Piece

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
# Where each kind of delta belongs in its block.
DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
Fields = dict[str, Any]
# The fields of the usage that have another name in chat completions.
RENAMED = (
    "input_tokens", "output_tokens", "output_tokens_details", "cache_read_input_tokens", "cache_creation_input_tokens",
)  # fmt: skip


def to_completion(message: Any, request: httpx2.Request) -> Fields:
    """Return the answer in the form of chat completions, with what must be sent back in `reasoning_details`.

    Raises:
        RequestRefused: The answer reports that the request is at fault.
        AccountError: The answer reports that the key or the account is at fault.
        openai.APIConnectionError: It is no usable answer; worth a retry.
    """
    content = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(message, Mapping) and message.get("error"):
        raise_reported(message["error"], request)
    if not isinstance(content, list):
        raise openai.APIConnectionError(message="the answer is not a message; is the base URL right?", request=request)
    reason = str(message.get("stop_reason"))
    choice = {"index": 0, "message": _message(message, content), "finish_reason": FINISH_REASONS.get(reason, "stop")}
    head = {"id": message.get("id"), "object": "chat.completion", "created": int(time.time())}
    rest = {"model": message.get("model"), "choices": [choice], "usage": usage(message.get("usage"))}
    return fields.without_empty({**head, **rest})


def _message(message: Mapping[str, Any], content: Sequence[Any]) -> Fields:
    parts, details = blocks.pieces_of(content), message.get("stop_details")
    thinks = any(part.kind == "reasoning" for part in parts)
    fields_of_message = {
        "role": "assistant",
        "refusal": details.get("explanation") if isinstance(details, Mapping) else None,
        "reasoning_content": _thinking(parts) or None,
        "reasoning_details": pieces.describe_pieces(parts, blocks.FORMAT) if thinks else None,
        "tool_calls": pieces.calls_of_pieces(parts) or None,
    }
    return {**fields.without_empty(fields_of_message), "content": pieces.text_of_pieces(parts) or None}


def _thinking(parts: Iterable[Piece]) -> str:
    thoughts = [str(part.item.get("thinking") or "") for part in parts if part.kind == "reasoning"]
    return pieces.SEPARATOR.join(thought for thought in thoughts if thought)


def usage(counts: Any) -> Fields | None:
    """Return the tokens in the form of chat completions, where the prompt includes what the cache had or got."""
    if not isinstance(counts, Mapping):
        return None
    read, written = _count(counts, "cache_read_input_tokens"), _count(counts, "cache_creation_input_tokens")
    prompt, answer = _count(counts, "input_tokens") + read + written, _count(counts, "output_tokens")
    thinking = counts.get("output_tokens_details")
    reasoning = _count(thinking, "thinking_tokens") if isinstance(thinking, Mapping) else 0
    return {
        **{key: value for key, value in counts.items() if key not in RENAMED},
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def _count(counts: Mapping[str, Any], name: str) -> int:
    value = counts.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def merge_events(events: Iterable[Any], request: httpx2.Request) -> Fields:
    """Assemble the message from the events of a stream.

    The client's own accumulator would close the JSON of a call that was cut off, and so make whole arguments of it.

    Raises:
        openai.APIConnectionError: The stream ended before the answer did.
    """
    message: Fields = {}
    content: dict[int, Fields] = {}
    for event in events:
        if not isinstance(event, Mapping):
            continue
        if event.get("type") == "message_stop":
            break
        _add_event(message, content, event)
    if not message.get("stop_reason"):
        raise openai.APIConnectionError(message="the stream ended before the answer did", request=request)
    return {**message, "content": [content[index] for index in sorted(content)]}


def _add_event(message: Fields, content: dict[int, Fields], event: Mapping[str, Any]) -> None:
    index, delta = event.get("index"), event.get("delta")
    match event.get("type"):
        case "message_start" if isinstance(start := event.get("message"), Mapping):
            message.update(start)
        case "content_block_start" if isinstance(index, int) and isinstance(start := event.get("content_block"), dict):
            content[index] = {**start, "input": ""} if start.get("type") == "tool_use" else dict(start)
        case "content_block_delta" if isinstance(index, int) and isinstance(delta, Mapping):
            _add_delta(content.setdefault(index, {"type": "text"}), delta)
        case "message_delta" if isinstance(delta, Mapping):
            message.update({key: delta[key] for key in ("stop_reason", "stop_details") if key in delta})
            _add_usage(message, event.get("usage"))


def _add_delta(block: Fields, delta: Mapping[str, Any]) -> None:
    if delta.get("type") == "input_json_delta":
        block["input"] = f"{block.get('input') or ''}{delta.get('partial_json') or ''}"
    elif (key := DELTAS.get(str(delta.get("type")))) is not None:
        block[key] = f"{block.get(key) or ''}{delta.get(key) or ''}"


def _add_usage(message: Fields, counts: Any) -> None:
    """Add the counts at a stream's end. They are totals; what is left out stays as it was at the beginning."""
    before = message.get("usage")
    last = {key: value for key, value in counts.items() if value is not None} if isinstance(counts, Mapping) else {}
    message["usage"] = {**(before if isinstance(before, Mapping) else {}), **last}
