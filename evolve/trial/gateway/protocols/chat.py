"""Chat completions, the inner form itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from evolve.core.records import ModelSpec
from evolve.trial.gateway.protocols.protocol import Protocol, Reply, openai_error
from evolve.trial.gateway.wire import Body, Refusal


def chat_request(body: Body, spec: ModelSpec) -> Body:
    """Return the request as it is."""
    return body


def whole(reply: Reply) -> Body:
    """Return the completion as it is."""
    return dict(reply.completion)


def events(reply: Reply) -> Iterator[str]:
    """Yield the whole message, its end, and the usage only if asked for: some clients index into its empty `choices`.

    All fields that the completion, its choices and messages have are in it, known or not.
    """
    completion = reply.completion
    others = {key: value for key, value in completion.items() if key not in ("choices", "usage")}
    head = {"id": "", "created": 0, "model": "", **others, "object": "chat.completion.chunk"}
    for number, choice in enumerate(completion["choices"]):
        others = {key: value for key, value in choice.items() if key not in ("message", "logprobs")}
        first = {"delta": _delta(choice["message"]), "logprobs": choice.get("logprobs"), "finish_reason": None}
        last = {**others, "delta": {}, "finish_reason": choice.get("finish_reason")}
        for part in (first, last):
            yield _event({**head, "choices": [{**part, "index": number}]})
    if wants_usage(reply.asked):
        yield _event({**head, "choices": [], "usage": completion.get("usage")})
    yield "data: [DONE]\n\n"


def wants_usage(body: Body) -> bool:
    """Whether a streaming client asked for a final event with the usage."""
    options = body.get("stream_options")
    return isinstance(options, Mapping) and bool(options.get("include_usage"))


def failure(asked: Body, refusal: Refusal) -> str:
    """Return the event with which clients raise an error."""
    return _event(openai_error(refusal))


def _delta(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message as one piece. Its calls are numbered here: a client joins those with the same index."""
    calls = message.get("tool_calls")
    if not calls:
        return dict(message)
    return {**message, "tool_calls": [{**call, "index": index} for index, call in enumerate(calls)]}


def _event(content: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"


def protocol() -> Protocol:
    """Return chat completions as a protocol."""
    return Protocol(chat_request, whole, events, openai_error, failure, opening=lambda asked: "")
