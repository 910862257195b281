"""What of a scaffold's chat request goes to the model: what is listed here, and nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from evolve.core.records import ModelSpec
from evolve.trial.gateway.wire import Body, Refusal

# How an answer is drawn and what form it has. Model, seed, effort of reasoning, counts of answers, tools that a vendor
# runs, and whatever else an endpoint may know under other names are the run's: they are left out.
PASSED = frozenset(
    {
        "messages", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format",
        "stop", "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty",
        "repetition_penalty", "logit_bias", "logprobs", "top_logprobs",
    }
)  # fmt: skip
PARTS = ("text", "refusal", "image_url")


def model_request(body: Body, model: ModelSpec, most: int) -> Body:
    """The request as the model gets it, but for its seed. most: tokens of an answer. Raises Refusal.

    The model's own sampling is filled in where the scaffold names none.
    """
    if not isinstance(body.get("messages"), list):
        raise Refusal(400, "invalid_request", "`messages` must be a list")
    for message in body["messages"]:
        _check_parts(message)
    for tool in body["tools"] if isinstance(body.get("tools"), list) else ():
        if isinstance(tool, Mapping) and tool.get("type", "function") != "function":
            raise Refusal(400, "invalid_request", "a tool must be a function: others would run outside of the sandbox")
    request = {key: value for key, value in body.items() if key in PASSED}
    asked = body.get("max_completion_tokens") or body.get("max_tokens") or most
    request |= {key: value for key, value in model.sampling if request.get(key) is None}
    request["model"] = model.name
    request["max_tokens"] = max(1, int(min(parse_number("max_tokens", asked), most)))
    return request


def _check_parts(message: Any) -> None:
    """Content that the endpoint would fetch from elsewhere is a way out of the sandbox."""
    content = message.get("content") if isinstance(message, Mapping) else None
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in PARTS:
            raise Refusal(400, "invalid_request", f"a part of a message must be one of: {', '.join(PARTS)}")
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        if kind == "image_url" and not str(url).startswith("data:"):
            raise Refusal(400, "invalid_request", "an image must be given as a data: URL")


def parse_number(name: str, value: Any) -> float:
    """A finite number. Raises Refusal."""
    try:
        given = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Refusal(400, "invalid_request", f"`{name}` must be a number") from error
    if not math.isfinite(given):
        raise Refusal(400, "invalid_request", f"`{name}` must be a finite number")
    return given


def wants_usage(body: Body) -> bool:
    """Whether a streaming client asked for a last event with the usage."""
    options = body.get("stream_options")
    return isinstance(options, Mapping) and bool(options.get("include_usage"))


def event_size(event: Mapping[str, Any]) -> int:
    """Characters of an event as it is stored."""
    return len(json.dumps(event, ensure_ascii=False))
