"""Answer chat-completions requests: check them, choose the role, count the tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evolve.core.errors import RequestRefused
from evolve.core.records import stable_hash
from evolve.embedded.improver import asked_to_improve, improve
from evolve.embedded.knobs import Knobs
from evolve.embedded.messages import text_of
from evolve.embedded.notes import note
from evolve.embedded.policy import solve
from evolve.embedded.proposer import propose
from evolve.embedded.smalltalk import is_small_talk, small_talk
from evolve.embedded.tools import tool_names

CHARS_PER_TOKEN = 4
Role = Callable[[Mapping[str, Any], Knobs], dict[str, Any]]
_ROLES = ("system", "developer", "user", "assistant", "tool")


def complete(body: Mapping[str, Any], knobs: Knobs | None = None) -> dict[str, Any]:
    """Answer one chat-completions request: a pure function of the body and the knobs.

    Args:
        body: model, messages, tools, temperature, seed ... as in the OpenAI API.

    Returns:
        A `chat.completion`.

    Raises:
        RequestRefused: 400 `context_length_exceeded`, or 400 `invalid_request` for a malformed request.
    """
    model = str(body.get("model") or "embedded")
    chosen = (knobs or Knobs()).for_model(model)
    _check(body)
    size = _size(body["messages"])
    limit = chosen.context_chars if _role(body) is solve else chosen.proposer_context_chars
    if size > limit:
        problem = f"the messages hold {size} characters and exceed the model's context window of {limit} characters"
        raise RequestRefused(400, "context_length_exceeded", problem)
    return _completion(model, body, _role(body)(body, chosen))


def _role(body: Mapping[str, Any]) -> Role:
    """Choose the role by the offered tools and by whether the task is to improve the scaffold."""
    offered = {*tool_names(body)}
    if not offered and is_small_talk(body):
        return small_talk
    if "lesson" in offered:
        return note
    if "propose" in offered:
        return propose
    return improve if asked_to_improve(body) else solve


def _size(messages: Sequence[Mapping[str, Any]]) -> int:
    return sum(_message_size(message) for message in messages)


def _message_size(message: Mapping[str, Any]) -> int:
    calls = message.get("tool_calls") or ()
    call_chars = sum(len(str(call["function"]["name"])) + len(str(call["function"]["arguments"])) for call in calls)
    return len(text_of(message.get("content"))) + call_chars


def _invalid(problem: str) -> RequestRefused:
    return RequestRefused(400, "invalid_request", problem)


def _check(body: Mapping[str, Any]) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _invalid("messages: must be a list with at least one message")
    _check_numbers(body)
    _check_tools(body.get("tools"))
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        _check_message(index, message, open_calls)


def _check_numbers(body: Mapping[str, Any]) -> None:
    temperature, seed = body.get("temperature"), body.get("seed")
    if temperature is not None and (not isinstance(temperature, int | float) or not 0 <= temperature <= 2):
        raise _invalid("temperature: must be a number from 0 to 2")
    if seed is not None and not isinstance(seed, int):
        raise _invalid("seed: must be an integer")


def _check_tools(tools: object) -> None:
    if tools is not None and not isinstance(tools, list):
        raise _invalid("tools: must be a list")
    for index, tool in enumerate(tools or ()):
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise _invalid(f"tools[{index}]: must be a function with a name")


def _check_message(index: int, message: object, open_calls: set[str]) -> None:
    where = f"messages[{index}]"
    if not isinstance(message, Mapping) or message.get("role") not in _ROLES:
        raise _invalid(f"{where}: role must be one of {', '.join(_ROLES)}")
    if message.get("content") is not None and not isinstance(message["content"], str | list):
        raise _invalid(f"{where}: content must be a string, a list of parts, or null")
    if message["role"] == "tool":
        answered = message.get("tool_call_id")
        if not isinstance(answered, str) or answered not in open_calls:
            raise _invalid(f"{where}: a tool message must answer an earlier tool call")
        open_calls.discard(answered)
        return
    if open_calls:
        raise _invalid(f"{where}: the tool call {min(open_calls)} has no tool message before it")
    open_calls.update(_call_ids(where, message))


def _call_ids(where: str, message: Mapping[str, Any]) -> list[str]:
    calls = message.get("tool_calls") or ()
    if not isinstance(calls, list | tuple):
        raise _invalid(f"{where}: tool_calls must be a list")
    for call in calls:
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(call.get("id"), str):
            raise _invalid(f"{where}: a tool call needs an id and a function")
        if not isinstance(function.get("name"), str) or not isinstance(function.get("arguments"), str):
            raise _invalid(f"{where}: a tool call's function needs a name and arguments, both strings")
    return [call["id"] for call in calls]


def _tokens(chars: int) -> int:
    return -(-chars // CHARS_PER_TOKEN)


def _completion(model: str, body: Mapping[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    tools = json.dumps(body["tools"]) if body.get("tools") else ""
    asked, answered = _tokens(_size(body["messages"]) + len(tools)), max(1, _tokens(_message_size(message)))
    identity = stable_hash(json.dumps(dict(body), sort_keys=True, default=str))
    return {
        "id": f"chatcmpl-{identity:016x}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if message.get("tool_calls") else "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
        },
    }
