"""Build the model's request from a scaffold's: only the fields listed here are passed on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evolve.core.records import ModelSpec
from evolve.llm import TINY_MESSAGE
from evolve.trial.gateway.wire import Body, Refusal

# Sampling and the form of the answer. The run decides on the model, seed, reasoning effort, number of answers and all
# else that an endpoint may know, so those fields are dropped.
PASSED_FIELDS = frozenset(
    {
        "messages", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format",
        "stop", "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty",
        "repetition_penalty", "logit_bias", "logprobs", "top_logprobs",
    }
)  # fmt: skip
TINY_TOOL = {
    "type": "function",
    "function": {"name": "say", "description": "Say something.", "parameters": {"type": "object", "properties": {}}},
}
CONTENT_TYPES = ("text", "refusal", "image_url")


def model_request(body: Body, model: ModelSpec, most: int) -> Body:
    """Build the request for the model, without its seed. Raises Refusal.

    Fields that the scaffold leaves out get the model's own sampling.

    Args:
        most: the most tokens of an answer.
    """
    if not isinstance(body.get("messages"), list):
        raise Refusal(400, "invalid_request", "`messages` must be a list")
    for message in body["messages"]:
        _check_parts(message)
    for tool in body["tools"] if isinstance(body.get("tools"), list) else ():
        if isinstance(tool, Mapping) and tool.get("type", "function") != "function":
            raise Refusal(400, "invalid_request", "a tool must be a function: others would run outside of the sandbox")
    request = {key: value for key, value in body.items() if key in PASSED_FIELDS}
    asked = body.get("max_completion_tokens") or body.get("max_tokens") or most
    request |= {key: value for key, value in model.sampling if request.get(key) is None}
    request["model"] = model.name
    request["max_tokens"] = max(1, int(min(parse_number("max_tokens", asked), most)))
    return request


def bare_request(request: Body, model: ModelSpec, parameter: str) -> Body | None:
    """A tiny request with what the host adds to this one, and nothing of the scaffold's.

    Args:
        parameter: What the endpoint refused, see `HostRefused`.

    Returns:
        None if no tiny request can show whether the endpoint refuses that.
    """
    if parameter == "keep_reasoning":
        return None
    added = {"model", "max_tokens", "seed", *dict(model.sampling)}
    bare = {key: value for key, value in request.items() if key in added} | dict(model.sampling)
    # What it added may be refused beside tools alone, and those of its own can't have caused that.
    tools = {"tools": [TINY_TOOL]} if parameter == "tools" or request.get("tools") else {}
    return {**bare, "messages": [dict(TINY_MESSAGE)], **tools}


def _check_parts(message: Any) -> None:
    """Refuse content that the endpoint would fetch from elsewhere: a way out of the sandbox."""
    content = message.get("content") if isinstance(message, Mapping) else None
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in CONTENT_TYPES:
            raise Refusal(400, "invalid_request", f"a part of a message must be one of: {', '.join(CONTENT_TYPES)}")
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        if kind == "image_url" and not str(url).startswith("data:"):
            raise Refusal(400, "invalid_request", "an image must be given as a data: URL")


def parse_number(name: str, value: Any) -> float:
    """Parse a finite number. Raises Refusal."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Refusal(400, "invalid_request", f"`{name}` must be a number") from error
    if not math.isfinite(number):
        raise Refusal(400, "invalid_request", f"`{name}` must be a finite number")
    return number
