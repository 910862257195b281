"""The one form in which answers reach the rest: a strict `chat.completion`, whatever the endpoint made of it.

Of a known field, only the known type is left; unknown fields are kept. Every message has `content` (a text or None),
and every call an id, a type, a name and its arguments as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from evolve.core.records import stable_hash
from evolve.core.text import storable_text
from evolve.llm.foreign_json import MAX_NUMBER
from evolve.llm.parts import arguments_text, json_text, split_parts

Fields = dict[str, Any]
MAX_TOKENS = 10**9
# More calls than any answer has, and more characters than any name.
MAX_CALLS = 1_000
MAX_NAME = 500
ID_CHARS = 9  # Mistral takes exactly nine letters or digits, all others take them too.
TEXT_FIELDS = ("id", "model", "system_fingerprint", "service_tier", "provider")
REASONING_TEXTS = ("reasoning_content", "reasoning")
DIGITS = re.compile(r"\d{1,9}", re.ASCII)


class Unusable(ValueError):
    """An answer that can't be brought into the one form."""


def normal_answer(answer: Any, seed: int = 0) -> Fields:
    """Bring an answer into the one form.

    Args:
        answer: The parsed JSON of a `chat.completion`.
        seed: For the ids of calls that have none; the same for the same conversation.

    Raises:
        Unusable: It is no chat completion, or too odd.
    """
    choices = answer.get("choices") if isinstance(answer, Mapping) else None
    if not isinstance(choices, list):
        raise Unusable("the answer is not a chat completion; is the base URL right?")
    if not choices or not all(isinstance(c, Mapping) and isinstance(c.get("message"), Mapping) for c in choices):
        raise Unusable("the answer has no choices")
    fields = {key: value for key, value in without_nulls(answer).items() if key not in ("choices", "usage")}
    fields |= {key: _label(fields[key]) for key in TEXT_FIELDS if isinstance(fields.get(key), str)}
    fields = {key: value for key, value in fields.items() if key not in TEXT_FIELDS or isinstance(value, str)}
    usage = normal_usage(answer.get("usage"))
    normal = [_normal_choice(choice, index, seed) for index, choice in enumerate(choices)]
    return {**fields, "object": "chat.completion", "choices": normal, **({"usage": usage} if usage else {})}


def _label(text: str) -> str:
    """Return a name that an endpoint gives something, in a length that fits into a row."""
    return storable_text(text, MAX_NAME)


def without_nulls(value: Any) -> Any:
    """Return a value without the null fields of its objects."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _normal_choice(choice: Mapping[str, Any], position: int, seed: int) -> Fields:
    index, reason, logprobs = choice.get("index"), choice.get("finish_reason"), choice.get("logprobs")
    fields = {key: value for key, value in without_nulls(choice).items() if key != "logprobs"}
    message = _normal_message(choice["message"], stable_hash(seed, position))
    return {
        **fields,
        "index": index if isinstance(index, int) and not isinstance(index, bool) else position,
        "message": message,
        "finish_reason": _label(reason) if isinstance(reason, str) and reason else None,
        **({"logprobs": without_nulls(logprobs)} if isinstance(logprobs, Mapping) else {}),
    }


def _normal_message(message: Mapping[str, Any], seed: int) -> Fields:
    try:
        content, thoughts = split_parts(message.get("content"))
    except ValueError as error:
        raise Unusable(str(error)) from error
    fields = {**without_nulls(message), "role": "assistant", "content": content}
    for key in REASONING_TEXTS:
        if key in fields and not isinstance(fields[key], str):
            fields[key] = _reasoning_text(fields[key])
    if thoughts:
        fields["reasoning_content"] = fields.get("reasoning_content", "") + thoughts
    if "refusal" in fields and not isinstance(fields["refusal"], str):
        fields["refusal"] = json_text(fields["refusal"])
    if legacy := fields.pop("function_call", None):
        fields["function_call"] = _normal_function(legacy)
    calls = normal_calls(fields.pop("tool_calls", None), seed)
    return {**fields, "tool_calls": calls} if calls else fields


def _reasoning_text(value: Any) -> str:
    try:
        text, thoughts = split_parts(value)
    except ValueError:
        return json_text(value)
    return thoughts + (text or "")


def normal_calls(calls: Any, seed: int) -> list[Fields]:
    """Return the calls of a message, each with an id of its own. Raises Unusable."""
    listed = [calls] if isinstance(calls, Mapping) else calls or []
    if not isinstance(listed, list):
        raise Unusable("the calls of the answer are not a list")
    if len(listed) > MAX_CALLS:
        raise Unusable(f"the answer has more than {MAX_CALLS} calls")
    normal: dict[str, Fields] = {}
    for number, call in enumerate(listed):
        made = _normal_call(call, normal, stable_hash(seed, number))
        normal[made["id"]] = made
    return list(normal.values())


def _normal_call(call: Any, taken: Collection[str], seed: int) -> Fields:
    if not isinstance(call, Mapping):
        raise Unusable("a call of the answer is not an object")
    # Some servers leave the level `function` out.
    function = _normal_function(call["function"] if call.get("function") is not None else call)
    known = {key: value for key, value in call.items() if key not in ("id", "type", "function", "name", "arguments")}
    call_id = call.get("id")
    if not isinstance(call_id, str) or not call_id or call_id in taken:
        call_id = _new_id(seed, function, taken)
    return {**known, "id": call_id, "type": "function", "function": function}


def _new_id(seed: int, function: Fields, taken: Collection[str]) -> str:
    """Make an id from the conversation and the call alone, so that the same answer always has the same one."""
    made = f"{stable_hash(seed, json.dumps(function)):016x}"[:ID_CHARS]
    return made if made not in taken else _new_id(seed + 1, function, taken)


def _normal_function(function: Any) -> Fields:
    if not isinstance(function, Mapping):
        raise Unusable("a call of the answer names no function")
    name = function.get("name")
    if name is not None and not isinstance(name, str):
        raise Unusable("the name of a called function is not a text")
    others = {key: value for key, value in function.items() if key not in ("id", "type", "index")}
    return {**without_nulls(others), "name": name or "", "arguments": arguments_text(function.get("arguments"))}


def normal_usage(usage: Any) -> Fields:
    """Return what an endpoint reports of an answer's usage, without counts and amounts that can't be true."""
    if not isinstance(usage, Mapping):
        return {}
    normal: Fields = {}
    for key, value in usage.items():
        if isinstance(value, Mapping):
            normal[key] = normal_usage(value)
        elif "token" in key:
            normal |= {} if (count := _count(value)) is None else {key: count}
        elif isinstance(value, str):
            normal[key] = _label(value)
        elif isinstance(value, bool) or _is_number(value, -MAX_NUMBER, MAX_NUMBER):
            normal[key] = value
    return normal


def _count(value: Any) -> int | None:
    """Return a number of tokens; None if it is none."""
    if isinstance(value, str) and DIGITS.fullmatch(value):
        value = int(value)
    return int(value) if _is_number(value, 0, MAX_TOKENS) and value == int(value) else None


def _is_number(value: Any, least: int, most: int) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and least <= value <= most
