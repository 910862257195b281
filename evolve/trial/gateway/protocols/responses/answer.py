"""Write an answer as one of the Responses API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evolve.trial.gateway.protocols.protocol import Reply, asked_model, request_id
from evolve.trial.gateway.protocols.reasoning import sealed_reasoning, visible_reasoning
from evolve.trial.gateway.protocols.responses import tools
from evolve.trial.gateway.wire import Body

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
ECHOED = ("instructions", "max_output_tokens", "metadata", "reasoning", "temperature", "text", "top_p", "user")
DEFAULTS: Body = {
    "background": False, "error": None, "incomplete_details": None, "instructions": None, "max_output_tokens": None,
    "metadata": {}, "previous_response_id": None, "reasoning": {"effort": None, "summary": None}, "store": False,
    "temperature": None, "text": {"format": {"type": "text"}}, "top_p": None, "truncation": "disabled", "user": None,
}  # fmt: skip


def response_of(reply: Reply) -> Body:
    """Return the response to a request."""
    reason = INCOMPLETE.get(str(reply.choice.get("finish_reason")))
    ending = {"status": "incomplete", "incomplete_details": {"reason": reason}} if reason else {"status": "completed"}
    return {**unfinished_response(reply.asked), **ending, "output": list(items_of(reply)), "usage": usage_of(reply)}


def unfinished_response(asked: Body) -> Body:
    """Return an unfinished response: the part of it that the request alone decides."""
    echoed = {name: asked[name] for name in ECHOED if asked.get(name) is not None}
    choice, parallel = asked.get("tool_choice"), asked.get("parallel_tool_calls")
    return {
        "id": f"resp_{request_id(asked)}",
        "object": "response",
        # Not the time, so that a replay gives the same answer.
        "created_at": 0,
        "status": "in_progress",
        "model": asked_model(asked),
        **DEFAULTS,
        **echoed,
        "parallel_tool_calls": parallel is not False,
        "tool_choice": choice or "auto",
        "tools": [],
        "output": [],
        "usage": None,
    }


def usage_of(reply: Reply) -> Body:
    """Return the tokens of an answer."""
    usage, details = reply.usage, reply.completion.get("usage")
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens(details)},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def reasoning_tokens(usage: Any) -> int:
    """Return how many tokens of an answer an endpoint reports as reasoning; 0 if it does not say."""
    details = usage.get("completion_tokens_details") if isinstance(usage, Mapping) else None
    count = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def items_of(reply: Reply) -> Iterator[Body]:
    """Yield the items of an answer: its reasoning, its text, its calls."""
    message, own = reply.message, request_id(reply.asked)
    if sealed := sealed_reasoning(message):
        shown = visible_reasoning(message)
        summary = [{"type": "summary_text", "text": shown}] if shown else []
        yield {"id": f"rs_{own}", "type": "reasoning", "summary": summary, "encrypted_content": sealed}
    content = [*_text_parts(message.get("content")), *_refusal_parts(message.get("refusal"))]
    calls = message.get("tool_calls") or []
    if content or not calls:
        spoken = {"type": "message", "role": "assistant", "status": "completed"}
        yield {"id": f"msg_{own}", **spoken, "content": content or [_text_part("")]}
    known = tools.known_tools(reply.asked)
    for number, call in enumerate(calls):
        yield _call_item(call, known, f"{own}_{number}")


def _text_parts(text: Any) -> list[Body]:
    return [_text_part(text)] if isinstance(text, str) and text else []


def _text_part(text: str) -> Body:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _refusal_parts(text: Any) -> list[Body]:
    return [{"type": "refusal", "refusal": text}] if isinstance(text, str) and text else []


def _call_item(call: Mapping[str, Any], known: Mapping[str, tools.Tool], own: str) -> Body:
    function = call["function"]
    tool = known.get(function["name"], tools.Tool("function", function["name"]))
    namespace = {"namespace": tool.namespace} if tool.namespace else {}
    head = {"call_id": call["id"], "name": tool.name, **namespace, "status": "completed"}
    if tool.kind == "custom":
        given = tools.custom_input(function["arguments"])
        return {"id": f"ctc_{own}", "type": "custom_tool_call", **head, "input": given}
    return {"id": f"fc_{own}", "type": "function_call", **head, "arguments": function["arguments"]}
