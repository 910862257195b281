"""Read a client's request, whose values may be anything: what it may hold, what is refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evolve.trial.gateway.wire import Body, Refusal

Message = dict[str, Any]


def invalid(problem: str) -> Refusal:
    """The refusal of a request that is at fault."""
    return Refusal(400, "invalid_request", problem)


def named(value: Any) -> str:
    """A value of the client's as it is quoted in a refusal: in full it may be as long as the request."""
    return repr(value)[:60]


def objects(value: Any, name: str) -> list[Mapping[str, Any]]:
    """Return a list of objects; None is an empty one. Raises Refusal."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise invalid(f"`{name}` must be a list of objects")
    return value


def text(value: Any, name: str) -> str:
    """Return a text. Raises Refusal."""
    if not isinstance(value, str):
        raise invalid(f"`{name}` must be a text")
    return value


def refuse_set(body: Body, reasons: Mapping[str, str]) -> None:
    """Raise Refusal if one of the fields is set. reasons: why it is refused, by the field's name."""
    for name, reason in reasons.items():
        if body.get(name):
            raise invalid(f"`{name}` is not supported: {reason}")


def without_none(fields: Body) -> Body:
    """Return the fields that have a value."""
    return {key: value for key, value in fields.items() if value is not None}


def text_part(content: str) -> Message:
    """Return a text as a part of a message's content."""
    return {"type": "text", "text": content}


def plain_content(parts: Sequence[Message]) -> str | list[Message]:
    """Return a message's content: a text, unless there are images, or parts with further fields."""
    if all(set(part) == {"type", "text"} for part in parts):
        return "\n".join(part["text"] for part in parts)
    return list(parts)


def with_one_instruction(messages: Sequence[Message]) -> list[Message]:
    """Return a conversation whose leading instructions are one message: many chat templates take only one."""
    first = next((number for number, message in enumerate(messages) if message["role"] != "system"), len(messages))
    if first < 2:
        return list(messages)
    contents = [message["content"] for message in messages[:first]]
    if all(isinstance(content, str) for content in contents):
        joined: Any = "\n\n".join(contents)
    else:
        joined = [part for content in contents for part in _parts(content)]
    return [{"role": "system", "content": joined}, *messages[first:]]


def _parts(content: Any) -> list[Message]:
    return [text_part(content)] if isinstance(content, str) else content


def with_images_after_results(messages: Sequence[Message]) -> list[Message]:
    """Return a conversation in which tools' answers are text: chat completions have a place for images with users only.

    The images of answers follow in a message of the user's, after all answers to the same message.
    """
    moved: list[Message] = []
    images: list[Message] = []
    for message in messages:
        if images and message["role"] != "tool":
            moved.append({"role": "user", "content": images})
            images = []
        content = message.get("content")
        if message["role"] == "tool" and isinstance(content, list):
            images += [part for part in content if part["type"] == "image_url"]
            texts = [part for part in content if part["type"] != "image_url"] or [text_part("(an image follows)")]
            message = {**message, "content": plain_content(texts)}
        moved.append(message)
    return [*moved, {"role": "user", "content": images}] if images else moved


def json_text(value: Any) -> str:
    """Return the JSON of a value, as the host writes that of calls' arguments."""
    return json.dumps(value, ensure_ascii=False)
