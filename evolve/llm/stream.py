"""Assemble one `chat.completion` from the chunks of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx2
import openai

from evolve.llm.answer import BoundedBytes, parse_completion
from evolve.llm.faults import choices_of, raise_if_error, raise_reported
from evolve.llm.parts import json_text, split_parts

HEAD = ("id", "created", "model", "system_fingerprint", "service_tier", "provider")
JOINED = ("content", "refusal", "reasoning_content", "reasoning")
Fields = dict[str, Any]


def read_stream(client: openai.OpenAI, response: httpx2.Response, end: float, seed: int = 0) -> dict[str, Any]:
    """Read the completion from a streamed `response`, until `end` on the monotonic clock.

    seed: as in `parse_completion`.

    Raises:
        RequestRefused: The stream reports that the request is at fault.
        openai.APIConnectionError: The stream broke off: a part is never taken for an answer.
    """
    with BoundedBytes(response, end) as pieces:
        completion = _read_events(client, pieces, response.request)
    # The client stops at [DONE], before the bytes end.
    if pieces.read_to_end and not _is_whole(completion["choices"]):
        raise openai.APIConnectionError(message="the stream ended before the answer did", request=response.request)
    completion["choices"] = [_finish_choice(choice) for choice in completion["choices"]]
    try:
        raw = json.dumps(completion).encode()
    except RecursionError as error:
        raise openai.APIConnectionError(message="the stream is nested too deeply", request=response.request) from error
    return parse_completion(raw, response.request, seed)


def _read_events(client: openai.OpenAI, pieces: BoundedBytes, request: httpx2.Request) -> Fields:
    """Let the client parse the events. It gets bounded bytes: endless comments would keep it busy for ever."""
    bounded = httpx2.Response(200, stream=pieces, request=request)
    try:
        return merge_chunks(openai.Stream(cast_to=object, response=bounded, client=client), request)
    except openai.APIConnectionError:
        raise
    except openai.APIError as error:
        raise_reported(error.body or error.message, request)
        raise
    except (ValueError, RecursionError) as error:
        raise openai.APIConnectionError(message="an event is not JSON", request=request) from error


def _is_whole(choices: list[Fields]) -> bool:
    return bool(choices) and all(choice["finish_reason"] for choice in choices)


def merge_chunks(chunks: Iterable[Any], request: httpx2.Request) -> Fields:
    """Merge the chunks into one answer. Raises the error that a chunk reports."""
    answer: Fields = {}
    choices: dict[int, Fields] = {}
    usage = None
    for chunk in chunks:
        if not isinstance(chunk, Mapping):
            continue
        raise_if_error(chunk, request)
        answer.update({key: chunk[key] for key in HEAD if chunk.get(key) is not None and key not in answer})
        for choice in choices_of(chunk):
            _add_choice(choices, choice)
        usage = chunk.get("usage") or usage
    ordered = [choices[index] for index in sorted(choices)]
    return {"object": "chat.completion", **answer, "choices": ordered, "usage": usage}


def _finish_choice(choice: Mapping[str, Any]) -> Fields:
    """Give a choice the form that it has without streaming: calls without an index, and a finish reason."""
    message = dict(choice["message"])
    if isinstance(calls := message.get("tool_calls"), list):
        message["tool_calls"] = [_without_index(call) for call in calls]
    has_content = any(value for key, value in message.items() if key != "role")
    reason = choice["finish_reason"] or ("tool_calls" if calls else "stop" if has_content else None)
    return {**choice, "message": message, "finish_reason": reason}


def _without_index(call: Any) -> Any:
    return {key: call[key] for key in call if key != "index"} if isinstance(call, Mapping) else call


def _add_choice(choices: dict[int, Fields], piece: Mapping[str, Any]) -> None:
    index = piece.get("index")
    index = index if isinstance(index, int) else 0
    empty: Fields = {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
    choice = choices.setdefault(index, empty)
    if isinstance(whole := piece.get("message"), Mapping):
        # Some endpoints send the whole message at the end.
        choice["message"] = dict(whole)
    elif isinstance(delta := piece.get("delta"), Mapping):
        add_delta(choice["message"], delta)
    choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
    if isinstance(logprobs := piece.get("logprobs"), Mapping):
        _add_logprobs(choice.setdefault("logprobs", {}), logprobs)


def _add_logprobs(logprobs: Fields, piece: Mapping[str, Any]) -> None:
    for key, tokens in piece.items():
        if isinstance(tokens, list):
            logprobs.setdefault(key, []).extend(tokens)


def add_delta(message: Fields, delta: Mapping[str, Any]) -> None:
    """Add one chunk to a message. Of an unknown field, the last value is kept."""
    for key, value in delta.items():
        if value is None or key == "role":
            continue
        if key == "content" and not isinstance(value, str):
            _add_parts(message, value)
        elif key in JOINED and isinstance(value, str):
            _append(message, key, value)
        elif key == "tool_calls" and isinstance(value, list | Mapping):
            _add_calls(_kept(message, key, list), [value] if isinstance(value, Mapping) else value)
        elif key == "function_call" and isinstance(value, Mapping):
            _add_function(_kept(message, key, dict), value)
        elif key == "reasoning_details" and isinstance(value, list):
            _add_details(_kept(message, key, list), value)
        else:
            message[key] = merged(message.get(key), value)


def _append(fields: Fields, key: str, text: str) -> None:
    before = fields.get(key)
    fields[key] = (before if isinstance(before, str) else "") + text


def _kept(fields: Fields, key: str, kind: type) -> Any:
    """Return the field's list or object, a new one if the field has another type so far."""
    if not isinstance(fields.get(key), kind):
        fields[key] = kind()
    return fields[key]


def _add_parts(message: Fields, parts: Any) -> None:
    """Add content in parts: its text to the content, its thoughts to the reasoning."""
    try:
        text, thoughts = split_parts(parts)
    except ValueError:
        # The finished answer is refused as unusable.
        message["content"] = parts
        return
    if text:
        _append(message, "content", text)
    if thoughts:
        _append(message, "reasoning_content", thoughts)


def merged(before: Any, value: Any) -> Any:
    """Return an unknown field after one more piece of it: objects are merged, of all else the last value counts."""
    if not (isinstance(before, Mapping) and isinstance(value, Mapping)):
        return before if value is None else value
    return {**before, **{key: merged(before.get(key), item) for key, item in value.items()}}


def _add_calls(calls: list[Any], pieces: list[Any]) -> None:
    for piece in pieces:
        if not isinstance(piece, Mapping):
            continue
        call = _call_of(calls, piece)
        # Among them are signatures without which the endpoint refuses the call's return.
        others = {key: value for key, value in piece.items() if key not in ("index", "function") and value}
        call.update({key: merged(call.get(key), value) for key, value in others.items()})
        if isinstance(function := piece.get("function"), Mapping):
            _add_function(_kept(call, "function", dict), function)


def _call_of(calls: list[Any], piece: Mapping[str, Any]) -> Fields:
    """Return the call that a piece continues, or a new one: a new id starts a new call, whatever the index says."""
    index, call_id = piece.get("index"), piece.get("id")
    name = (piece.get("function") or {}).get("name") if isinstance(piece.get("function"), Mapping) else None
    known = [call for call in calls if isinstance(call, dict)]
    same = [call for call in known if call.get("index") == index] if isinstance(index, int) else known[-1:]
    is_new = call_id and same and same[-1].get("id") not in (None, call_id)
    is_new = is_new or (not isinstance(index, int) and name and not call_id)
    if not same or is_new:
        made: Fields = {"index": index, "function": {"name": "", "arguments": ""}}
        calls.append(made)
        return made
    return same[-1]


def _add_function(function: Fields, piece: Mapping[str, Any]) -> None:
    name, arguments = piece.get("name"), piece.get("arguments")
    before = function.get("name", "")
    # Some endpoints repeat the whole name with every piece.
    function["name"] = before if name is None or name == before else f"{before}{name}"
    text = arguments if isinstance(arguments, str) else "" if arguments is None else json_text(arguments)
    _append(function, "arguments", text)
    for key, value in piece.items():
        if key not in ("name", "arguments"):
            function[key] = merged(function.get(key), value)


def _add_details(details: list[Any], pieces: list[Any]) -> None:
    for piece in pieces:
        if not isinstance(piece, Mapping):
            continue
        same = [detail for detail in details if _detail_key(detail) == _detail_key(piece)]
        if not same:
            details.append(dict(piece))
            continue
        for key, value in piece.items():
            if key in ("text", "summary", "data") and isinstance(value, str):
                before = same[-1].get(key)
                before = before if isinstance(before, str) else ""
                # Some endpoints repeat the whole reasoning so far with every piece.
                same[-1][key] = value if before and value.startswith(before) else before + value
            elif value is not None:
                same[-1][key] = value


def _detail_key(detail: Any) -> Any:
    return (detail.get("index"), detail.get("type")) if isinstance(detail, Mapping) else None
