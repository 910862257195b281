"""A model's context window: refuse requests that can't fit, and limit the answer to what is left."""

from __future__ import annotations

from typing import Any

from evolve.core.errors import RequestRefused
from evolve.core.records import ModelSpec
from evolve.llm.estimates import estimate_prompt_tokens
from evolve.llm.model import Body
from evolve.llm.reasoning import with_sent_messages

TOO_LONG = "context_length_exceeded"
# The estimate from bytes may be wrong by this factor. Prompts in between are left to the endpoint, which counts tokens.
SURELY_OVER = 1.5
# Always ask for at least this many tokens: the endpoint says whether they fit.
LEAST_ANSWER = 256


def fit_to_window(body: Body, spec: ModelSpec) -> dict[str, Any]:
    """Return the request with a `max_tokens` that fits into the context window; unchanged if its size is unknown.

    Raises:
        RequestRefused: The prompt is certainly too long. Has the form of the API's own error.
    """
    request = dict(body)
    if spec.context_tokens is None:
        return request
    prompt = estimate_prompt_tokens(with_sent_messages(request, spec))
    if prompt > SURELY_OVER * spec.context_tokens:
        message = f"the messages have about {prompt} tokens; the model's context window is {spec.context_tokens}"
        raise RequestRefused(400, TOO_LONG, message)
    if isinstance(requested := request.get("max_tokens"), int):
        request["max_tokens"] = min(requested, max(spec.context_tokens - prompt, LEAST_ANSWER))
    return request
