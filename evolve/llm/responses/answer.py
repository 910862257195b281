"""Read an answer of the Responses API as a `chat.completion`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx2
import openai

from evolve.core.errors import RequestRefused
from evolve.llm import fields, pieces
from evolve.llm.faults import raise_reported
from evolve.llm.responses import items

CUT_OFF = {"max_output_tokens": "length", "content_filter": "content_filter"}
ENDS = ("response.completed", "response.incomplete", "response.failed")
# Codes of answers that failed because of what was asked.
REFUSED = ("invalid_", "image_", "empty_image", "unsupported_image", "failed_to_download", "bio_policy", "misalignment")
Fields = dict[str, Any]
# The fields of the usage that have another name in chat completions.
RENAMED = ("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details")


def to_completion(response: Any, request: httpx2.Request) -> Fields:
    """Return the answer in the form of chat completions, with what must be sent back in `reasoning_details`.

    Raises:
        RequestRefused: The answer reports that the request is at fault.
        AccountError: The answer reports that the key or the account is at fault.
        openai.APIConnectionError: It is no usable answer; worth a retry.
    """
    output = response.get("output") if isinstance(response, Mapping) else None
    if isinstance(response, Mapping) and response.get("error"):
        _raise_failure(response["error"], request)
    if not isinstance(output, list) or response.get("status") not in (None, "completed", "incomplete"):
        raise openai.APIConnectionError(message=_problem(response), request=request)
    known = [item for item in output if isinstance(item, Mapping)]
    head = {"id": response.get("id"), "created": response.get("created_at"), "model": response.get("model")}
    choice = {"index": 0, "message": _message(known), "finish_reason": _finish_reason(response, known)}
    head["service_tier"] = response.get("service_tier")
    completion = {**head, "object": "chat.completion", "choices": [choice], "usage": usage(response.get("usage"))}
    return fields.without_empty(completion)


def _problem(response: Any) -> str:
    status = response.get("status") if isinstance(response, Mapping) else None
    return f"the answer ended as `{status}`" if status else "the answer is not a response; is the base URL right?"


def _raise_failure(error: Any, request: httpx2.Request) -> None:
    code = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(code, str) and code.startswith(REFUSED):
        raise RequestRefused(400, code, str(error.get("message") or code))
    raise_reported(error, request)


def _message(output: Sequence[Mapping[str, Any]]) -> Fields:
    parts = items.pieces_of(output)
    refusal = "".join(_refusal(item) for item in output if item.get("type") == "message")
    # A refusal is no text of a chat message, so such an answer can't be restored.
    is_special = not refusal and any(part.kind == "reasoning" or "phase" in part.item for part in parts)
    message = {
        "role": "assistant",
        "refusal": refusal or None,
        "reasoning_content": _reasoning(output) or None,
        "reasoning_details": pieces.describe_pieces(parts, items.FORMAT) if is_special else None,
        "tool_calls": pieces.calls_of_pieces(parts) or None,
    }
    return {**fields.without_empty(message), "content": pieces.text_of_pieces(parts) or None}


def _refusal(item: Mapping[str, Any]) -> str:
    return "".join(str(part.get("refusal") or "") for part in fields.parts_of(item.get("content")))


def _reasoning(output: Iterable[Mapping[str, Any]]) -> str:
    """Return the readable part of the reasoning: its text, or the summaries of it."""
    thoughts = [item for item in output if item.get("type") == "reasoning"]
    texts = [fields.parts_of(item.get("content")) or fields.parts_of(item.get("summary")) for item in thoughts]
    return pieces.SEPARATOR.join(str(part.get("text") or "") for parts in texts for part in parts)


def _finish_reason(response: Mapping[str, Any], output: Iterable[Mapping[str, Any]]) -> str:
    if response.get("status") == "incomplete":
        details = response.get("incomplete_details")
        return CUT_OFF.get(str(details.get("reason")) if isinstance(details, Mapping) else "", "length")
    return "tool_calls" if any(item.get("type") == "function_call" for item in output) else "stop"


def usage(counts: Any) -> Fields | None:
    """Return the tokens in the form of chat completions, and all else that is reported, such as a cost.

    None if nothing is reported.
    """
    if not isinstance(counts, Mapping):
        return None
    named = {
        **{key: value for key, value in counts.items() if key not in RENAMED},
        "prompt_tokens": counts.get("input_tokens"),
        "completion_tokens": counts.get("output_tokens"),
        "total_tokens": counts.get("total_tokens"),
        "prompt_tokens_details": counts.get("input_tokens_details"),
        "completion_tokens_details": counts.get("output_tokens_details"),
    }
    return fields.without_empty(named)


def merge_events(events: Iterable[Any], request: httpx2.Request) -> Fields:
    """Return the response that a stream ends with.

    The last event has the whole response; servers that leave the output out of it have sent each item before.

    Raises:
        openai.APIConnectionError: The stream ended before the answer did, or reports an error.
    """
    done: dict[int, Any] = {}
    for event in events:
        if not isinstance(event, Mapping):
            continue
        if event.get("type") == "error":
            _raise_failure(event, request)
        if event.get("type") == "response.output_item.done" and isinstance(event.get("output_index"), int):
            done[event["output_index"]] = event.get("item")
        if event.get("type") in ENDS and isinstance(response := event.get("response"), Mapping):
            return {**response, "output": response.get("output") or [done[index] for index in sorted(done)]}
    raise openai.APIConnectionError(message="the stream ended before the answer did", request=request)
