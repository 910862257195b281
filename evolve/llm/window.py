"""A model's context window: requests that can't fit are refused here, and answers are asked for that can."""

from __future__ import annotations

from typing import Any

from evolve.core.errors import RequestRefused
from evolve.core.records import ModelSpec
from evolve.llm.model import Body
from evolve.llm.usage import estimate_prompt_tokens

TOO_LONG = "context_length_exceeded"
# An estimate from bytes may be wrong by so much; what lies between is left to the endpoint, which counts.
SURELY_OVER = 1.5
# Where the estimate leaves less than this, an answer is still asked for: the endpoint says whether it fits.
LEAST_ANSWER = 256


def fit_to_window(body: Body, spec: ModelSpec) -> dict[str, Any]:
    """The request with a `max_tokens` that the window has room for; the same where no window is known.

    Raises RequestRefused, in the API's own form, for a prompt that is surely too long.
    """
    request = dict(body)
    if spec.context_tokens is None:
        return request
    prompt = estimate_prompt_tokens(request)
    if prompt > SURELY_OVER * spec.context_tokens:
        words = f"the messages have about {prompt} tokens; the model's context window is {spec.context_tokens}"
        raise RequestRefused(400, TOO_LONG, words)
    if isinstance(asked := request.get("max_tokens"), int):
        request["max_tokens"] = min(asked, max(spec.context_tokens - prompt, LEAST_ANSWER))
    return request
