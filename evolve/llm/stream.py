"""One `chat.completion` out of a stream's chunks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx2
import openai

from evolve.llm.answer import BoundedBytes, parse_completion
from evolve.llm.faults import choices_of, raise_if_error, raise_reported

HEAD = ("id", "created", "model", "system_fingerprint", "service_tier", "provider")
JOINED = ("content", "refusal", "reasoning_content", "reasoning")
Fields = dict[str, Any]


def read_stream(client: openai.OpenAI, response: httpx2.Response, end: float) -> dict[str, Any]:
    """The completion that comes in `response`, until `end` on the monotonic clock.

    Raises RequestRefused; APIConnectionError for a stream that broke off, which is never taken for an answer.
    """
    with BoundedBytes(response, end) as pieces:
        gathered = _gathered(client, pieces, response.request)
    # The client stops at [DONE], before the bytes end.
    if pieces.read_to_end and not _is_whole(gathered["choices"]):
        raise openai.APIConnectionError(message="the stream ended before the answer", request=response.request)
    gathered["choices"] = [_ended(choice) for choice in gathered["choices"]]
    return parse_completion(json.dumps(gathered).encode(), response.request)


def _gathered(client: openai.OpenAI, pieces: BoundedBytes, request: httpx2.Request) -> Fields:
    """What the client's own reading of events finds; it reads bounded bytes, as comments would keep it for ever."""
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
    """The chunks put together. Raises what a chunk tells of an error."""
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
    made = [choices[index] for index in sorted(choices)]
    return {"object": "chat.completion", **answer, "choices": made, "usage": usage}


def _ended(choice: Mapping[str, Any]) -> Fields:
    """A choice as a whole answer has it: its calls without an index, and a reason for its end if it says anything."""
    message = dict(choice["message"])
    if isinstance(calls := message.get("tool_calls"), list):
        message["tool_calls"] = [{key: call[key] for key in call if key != "index"} for call in calls]
    said = any(value for key, value in message.items() if key != "role")
    reason = choice["finish_reason"] or ("tool_calls" if calls else "stop" if said else None)
    return {**choice, "message": message, "finish_reason": reason}


def _add_choice(choices: dict[int, Fields], piece: Mapping[str, Any]) -> None:
    index = piece.get("index")
    index = index if isinstance(index, int) else 0
    empty: Fields = {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
    choice = choices.setdefault(index, empty)
    if isinstance(whole := piece.get("message"), Mapping):
        # Some endpoints end with the whole message.
        choice["message"] = dict(whole)
    elif isinstance(delta := piece.get("delta"), Mapping):
        add_delta(choice["message"], delta)
    choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
    if isinstance(odds := piece.get("logprobs"), Mapping):
        _add_logprobs(choice.setdefault("logprobs", {}), odds)


def _add_logprobs(odds: Fields, piece: Mapping[str, Any]) -> None:
    for key, tokens in piece.items():
        if isinstance(tokens, list):
            odds.setdefault(key, []).extend(tokens)


def add_delta(message: Fields, delta: Mapping[str, Any]) -> None:
    """Add what one chunk brings to a message; a field that nobody knows is kept as it came last."""
    for key, value in delta.items():
        if value is None or key == "role":
            continue
        if key in JOINED and isinstance(value, str):
            message[key] = (message.get(key) or "") + value
        elif key == "tool_calls" and isinstance(value, list):
            _add_calls(message.setdefault(key, []), value)
        elif key == "function_call" and isinstance(value, Mapping):
            _add_function(message.setdefault(key, {}), value)
        elif key == "reasoning_details" and isinstance(value, list):
            _add_details(message.setdefault(key, []), value)
        else:
            message[key] = value


def _add_calls(calls: list[Fields], pieces: list[Any]) -> None:
    for piece in pieces:
        if not isinstance(piece, Mapping):
            continue
        call = _call_of(calls, piece)
        call.update({key: piece[key] for key in ("id", "type") if piece.get(key)})
        if isinstance(function := piece.get("function"), Mapping):
            _add_function(call["function"], function)
    for call in calls:
        call.setdefault("type", "function")


def _call_of(calls: list[Fields], piece: Mapping[str, Any]) -> Fields:
    """The call that a piece goes on with, or a new one: another id begins another call, whatever the index says."""
    index, call_id = piece.get("index"), piece.get("id")
    name = (piece.get("function") or {}).get("name") if isinstance(piece.get("function"), Mapping) else None
    same = [call for call in calls if call["index"] == index] if isinstance(index, int) else calls[-1:]
    begins = call_id and same and same[-1].get("id") not in (None, call_id)
    begins = begins or (not isinstance(index, int) and name and not call_id)
    if not same or begins:
        calls.append({"index": index, "function": {"name": "", "arguments": ""}})
        return calls[-1]
    return same[-1]


def _add_function(function: Fields, piece: Mapping[str, Any]) -> None:
    name, arguments = piece.get("name"), piece.get("arguments")
    before = function.get("name", "")
    # Some endpoints repeat the whole name with every piece.
    function["name"] = before if name is None or name == before else f"{before}{name}"
    text = arguments if isinstance(arguments, str) else "" if arguments is None else json.dumps(arguments)
    function["arguments"] = function.get("arguments", "") + text


def _add_details(details: list[Any], pieces: list[Any]) -> None:
    for piece in pieces:
        if not isinstance(piece, Mapping):
            continue
        same = [detail for detail in details if _place(detail) == _place(piece)]
        if not same:
            details.append(dict(piece))
            continue
        for key, value in piece.items():
            if key in ("text", "summary", "data") and isinstance(value, str):
                before = same[-1].get(key) or ""
                # Some endpoints send all that was thought so far each time.
                same[-1][key] = value if before and value.startswith(before) else before + value
            elif value is not None:
                same[-1][key] = value


def _place(detail: Mapping[str, Any]) -> tuple[Any, Any]:
    return detail.get("index"), detail.get("type")
