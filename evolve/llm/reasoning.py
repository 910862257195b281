"""Separate a model's reasoning from its answer. Endpoints return it in fields of the message or as a block of text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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
