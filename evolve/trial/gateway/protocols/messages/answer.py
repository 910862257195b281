"""Write an answer, whole or as events, and errors as those of the Messages API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from evolve.llm.messages.blocks import input_of
from evolve.llm.window import TOO_LONG
from evolve.trial.gateway.protocols.protocol import Reply, asked_model, named_event, request_id
from evolve.trial.gateway.protocols.reasoning import sealed_reasoning, visible_reasoning
from evolve.trial.gateway.wire import Body, Refusal

STOP_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}
ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
}


def message_of(reply: Reply) -> Body:
    """Return the message that answers a request."""
    return {
        "id": f"msg_{request_id(reply.asked)}",
        "type": "message",
        "role": "assistant",
        "model": asked_model(reply.asked),
        "content": list(_blocks(reply.message)),
        **_ending(reply),
        "usage": usage_of(reply),
    }


def _blocks(message: Mapping[str, Any]) -> Iterator[Body]:
    sealed, shown = sealed_reasoning(message), visible_reasoning(message)
    if shown:
        yield {"type": "thinking", "thinking": shown, "signature": sealed}
    elif sealed:
        yield {"type": "redacted_thinking", "data": sealed}
    if text := message.get("content") or message.get("refusal"):
        yield {"type": "text", "text": str(text)}
    for call in message.get("tool_calls") or []:
        function = call["function"]
        given = input_of(function["arguments"])
        yield {"type": "tool_use", "id": call["id"], "name": function["name"], "input": given}


def _ending(reply: Reply) -> Body:
    """Return why the answer ended. Only some endpoints say which text stopped it."""
    if reply.message.get("tool_calls") and reply.choice.get("finish_reason") in ("stop", None):
        return {"stop_reason": "tool_use", "stop_sequence": None}
    stop, asked = reply.choice.get("stop_reason"), reply.asked.get("stop_sequences")
    if isinstance(stop, str) and isinstance(asked, list) and stop in asked:
        return {"stop_reason": "stop_sequence", "stop_sequence": stop}
    reason = STOP_REASONS.get(str(reply.choice.get("finish_reason")), "end_turn")
    return {"stop_reason": reason, "stop_sequence": None}


def usage_of(reply: Reply) -> Body:
    """Return the tokens of an answer; what a cache had or got is not among the input."""
    usage = reply.usage
    cached, written = usage.cached_tokens, usage.cache_write_tokens
    return {
        "input_tokens": max(usage.prompt_tokens - cached - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.completion_tokens,
    }


def events_of(reply: Reply) -> Iterator[str]:
    """Yield the events of an answer."""
    whole = message_of(reply)
    opened = {**whole, "content": [], "stop_reason": None, "stop_sequence": None}
    yield named_event({"type": "message_start", "message": {**opened, "usage": {**whole["usage"], "output_tokens": 0}}})
    yield ping()
    for index, block in enumerate(whole["content"]):
        start, deltas = _block_steps(block)
        yield named_event({"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas:
            yield named_event({"type": "content_block_delta", "index": index, "delta": delta})
        yield named_event({"type": "content_block_stop", "index": index})
    end = {name: whole[name] for name in ("stop_reason", "stop_sequence")}
    yield named_event({"type": "message_delta", "delta": end, "usage": whole["usage"]})
    yield named_event({"type": "message_stop"})


def _block_steps(block: Body) -> tuple[Body, list[Body]]:
    """Return a block as it starts, and the deltas that complete it."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": block["text"]}]
        case "thinking":
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            signature = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [thought, signature]
        case "tool_use":
            given = json.dumps(block["input"], ensure_ascii=False) if block["input"] else ""
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": given}]
    return block, []


def ping() -> str:
    """Return the event that says nothing."""
    return named_event({"type": "ping"})


def error_of(refusal: Refusal) -> Body:
    """Return the body of a refusal, with our code beside the API's type."""
    kind = ERRORS.get(refusal.status, "invalid_request_error" if refusal.status < 500 else "api_error")
    # By these words clients know that they must shorten the conversation.
    beginning = "prompt is too long: " if refusal.code == TOO_LONG else ""
    error = {"type": kind, "message": beginning + refusal.message, "code": refusal.code}
    return {"type": "error", "error": error}


def failure(asked: Body, refusal: Refusal) -> str:
    """Return the event with which clients raise an error."""
    return named_event(error_of(refusal))
