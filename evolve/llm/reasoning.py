"""Separate a model's reasoning from its answer. Endpoints return it in fields of the message or as a block of text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evolve.core.records import ModelSpec

FIELDS = ("reasoning_content", "reasoning", "reasoning_details")
BLOCK = re.compile(r"\s*<((?:mm:)?think)>(.*?)(?:</\1>\s*|\Z)", re.DOTALL)


def split_thinking(text: str) -> tuple[str, str]:
    """Split a text into the reasoning blocks at its start, and the rest.

    A block without an end was cut off by the length limit: all of it is reasoning. Later blocks belong to the answer.
    """
    thoughts, at = [], 0
    while block := BLOCK.match(text, at):
        thoughts.append(block[2].strip())
        at = block.end()
    return "\n\n".join(thought for thought in thoughts if thought), text[at:]


def without_reasoning(message: Any) -> Any:
    """Return a message without its reasoning, for models that do not want it back. Only assistant messages have any."""
    if not isinstance(message, Mapping) or message.get("role") != "assistant":
        return message
    kept = {key: value for key, value in message.items() if key not in FIELDS}
    content = kept.get("content")
    if isinstance(content, str):
        kept["content"] = split_thinking(content)[1]
    elif isinstance(content, list):
        kept["content"] = [_without_thinking(part) if number == 0 else part for number, part in enumerate(content)]
    return kept


def sent_messages(messages: Sequence[Any], spec: ModelSpec) -> list[Any]:
    """Return the messages without the reasoning that never leaves this machine: it is neither sent nor counted."""
    if spec.keep_reasoning:
        return list(messages)
    return [_sent_message(message, spec) for message in messages]


def with_sent_messages(request: Mapping[str, Any], spec: ModelSpec) -> dict[str, Any]:
    """Return the request with the messages as they are sent, see `sent_messages`."""
    messages = request.get("messages")
    return {**request, "messages": sent_messages(messages, spec)} if isinstance(messages, list) else dict(request)


def _sent_message(message: Any, spec: ModelSpec) -> Any:
    if spec.api == "chat":
        return without_reasoning(message)
    # Other APIs want back what was thought before a call of a tool, and take blocks in a text for text.
    if not isinstance(message, Mapping) or message.get("role") != "assistant" or message.get("tool_calls"):
        return message
    return {key: value for key, value in message.items() if key not in FIELDS}


def _without_thinking(part: Any) -> Any:
    is_text = isinstance(part, Mapping) and isinstance(part.get("text"), str)
    return {**part, "text": split_thinking(part["text"])[1]} if is_text else part


def split_reasoning(message: Mapping[str, Any]) -> tuple[str, Any]:
    """Split an assistant message into its reasoning and its content. Reasoning given in two forms is returned once."""
    thoughts = [_field_text(message.get(key)) for key in FIELDS]
    content = message.get("content")
    if isinstance(content, str):
        thought, content = split_thinking(content)
        thoughts.append(thought)
    distinct = dict.fromkeys(thought for thought in thoughts if thought)
    return "\n\n".join(distinct), content


def _field_text(value: Any) -> str:
    """Return the text of a field: a string, or a list of details, some of which may be encrypted."""
    if isinstance(value, list):
        parts = [part for part in value if isinstance(part, Mapping)]
        return "".join(str(part.get("text") or part.get("summary") or "") for part in parts).strip()
    return str(value or "").strip()
