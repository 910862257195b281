"""Content that comes as a list of parts, or in another odd shape: its text, and the reasoning in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

REASONING_PARTS = ("thinking", "reasoning")
# Anthropic's mark for what an endpoint may cache.
CACHE_MARK = "cache_control"
# The longer of the lifetimes that a mark can ask for, at another price.
HOUR = "1h"
TEXT_PARTS = (None, "text", "output_text")


def split_parts(content: Any) -> tuple[str | None, str]:
    """Split an answer's content into its text and its reasoning; the text is None if there is no content.

    Mistral sends a list of parts `thinking` and `text`. A number or an object is what some gateways make of a text that
    happens to be JSON. Parts that are no text, such as references, are dropped.

    Raises:
        ValueError: A part has no known form.
    """
    if content is None or isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        return json_text(content), ""
    texts, thoughts = "", ""
    for part in content:
        if isinstance(part, Mapping) and part.get("type") in REASONING_PARTS:
            thoughts += _reasoning_text(part)
        else:
            texts += _part_text(part)
    return texts, thoughts


def _reasoning_text(part: Mapping[str, Any]) -> str:
    """Return the text of a part `thinking`, which is a text or again a list of parts."""
    inner = part.get("thinking") or part.get("reasoning") or part.get("text") or ""
    return "".join(_part_text(piece) for piece in inner) if isinstance(inner, list) else _part_text(inner)


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise ValueError(f"a part of the content is {type(part).__name__}")
    text = part.get("text")
    if part.get("type") not in TEXT_PARTS:
        return ""
    if not isinstance(text, str):
        raise ValueError("a part of the content has no text")
    return text


def joined_text(content: Any) -> Any:
    """Return the text of a request's content if all its parts are plain text; anything else unchanged.

    Strict servers take a text only. Parts with further fields (images, marks for a cache) stay what they are.
    """
    if not isinstance(content, list) or not content or not all(_is_plain(part) for part in content):
        return content
    return "\n".join(part["text"] for part in content)


def without_cache_marks(message: Any) -> Any:
    """Return a message without its marks and its parts', which move from request to request and change no answer."""
    message = _without_mark(message)
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, list):
        return message
    return {**message, "content": joined_text([_without_mark(part) for part in content])}


def _without_mark(part: Any) -> Any:
    return {key: part[key] for key in part if key != CACHE_MARK} if isinstance(part, Mapping) else part


def sent_mark(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mark of a part, message or tool in the form in which an endpoint gets it; empty if it has none."""
    mark = part.get(CACHE_MARK)
    if not mark:
        return {}
    lasts = isinstance(mark, Mapping) and mark.get("ttl") == HOUR
    return {CACHE_MARK: {"type": "ephemeral", **({"ttl": HOUR} if lasts else {})}}


def asks_for_an_hour(request: Mapping[str, Any]) -> bool:
    """Return whether a mark in a request asks the cache to keep something for an hour."""
    messages = [message for message in request.get("messages") or () if isinstance(message, Mapping)]
    contents = [message["content"] for message in messages if isinstance(message.get("content"), list)]
    parts = [*(request.get("tools") or ()), *messages, *(part for content in contents for part in content)]
    return any(sent_mark(part).get(CACHE_MARK, {}).get("ttl") == HOUR for part in parts if isinstance(part, Mapping))


def _is_plain(part: Any) -> bool:
    is_text = isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)
    return is_text and set(part) == {"type", "text"}


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def arguments_text(arguments: Any) -> str:
    """Return a call's arguments as text: `{}` for none. A text is kept, also if it is not JSON."""
    text = arguments if isinstance(arguments, str) else "" if arguments is None else json_text(arguments)
    return "{}" if text.strip() in ("", "null") else text
