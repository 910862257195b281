"""What an endpoint's errors mean: the request's own fault, the user's, or a fault that may pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx2
import openai

from evolve.errors import BadInput, EndpointError, EvolveError, RequestRefused
from evolve.llm.window import TOO_LONG

TRANSIENT = (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError)
PASSING = (408, 409, 429)
# MiniMax's own numbers, which come with status 200: the prompt or the answer is not to its liking.
REFUSED_NUMBERS = (1026, 1027, 1039, 2013)
# How endpoints say that a conversation is too long for the model, in lower case.
LENGTH_WORDS = re.compile(
    r"context[_ ]length[_ ]exceeded|exceed_context_size|exceeds the available context size"
    r"|maximum context length|exceeds? (the |its )?(model'?s )?context (window|length|size)"
    r"|context window exceeds|exceed context window|greater than the context length"
    r"|longer than the (model'?s )?(maximum )?(context|model length)|prompt is too long|prompt too long"
    r"|exceeded model token limit|range of input length should be|input token count.{0,40} exceeds"
    r"|prompt token count of \d+ exceeds|maximum prompt length is|must be at least 1, got -\d"
    r"|.inputs. tokens \+ .max_new_tokens. must be"
)
# A list of guesses in which the length is only one.
GUESSES = re.compile(r"possible causes|or the request contains")


def is_too_long(told: object) -> bool:
    """Whether an endpoint's words, in whatever form, say that the conversation is too long."""
    text = str(told).lower()
    return bool(LENGTH_WORDS.search(text)) and not GUESSES.search(text)


def refused_length(error: openai.APIStatusError) -> bool:
    """The same of an HTTP error; some endpoints say so with a status that is meant for their own faults."""
    limited = error.status_code in (401, 403, 404, 429)
    return not limited and is_too_long([error.message, error.body])


def meaning(error: openai.OpenAIError, key_variable: str) -> EvolveError:
    """The program's own error for one of the client's that was not to be mended by another try."""
    if isinstance(error, openai.AuthenticationError):
        return BadInput("model", f"the endpoint refuses the key: {error.message}", f"set {key_variable}")
    if isinstance(error, openai.NotFoundError):
        return BadInput("model", f"the endpoint does not know it: {error.message}", "correct MODEL")
    if isinstance(error, openai.APIStatusError):
        if refused_length(error):
            return RequestRefused(400, TOO_LONG, error.message)
        if error.status_code < 500 and error.status_code not in PASSING:
            return RequestRefused(error.status_code, str(error.code or "invalid_request"), error.message)
        return EndpointError(f"model endpoint: {error.message}")
    return EndpointError(f"model endpoint: {error}")


def check_told(answer: Any, request: httpx2.Request) -> None:
    """Raises what an answer, or an event of a stream, tells of an error although its HTTP status was 200.

    RequestRefused where the request is at fault, else APIConnectionError, which is worth another try.
    """
    if not isinstance(answer, Mapping):
        return
    if error := answer.get("error"):
        raise_told(error, request)
    if answer.get("object") == "error":
        raise_told(answer, request)
    for choice in choices_of(answer):
        if choice.get("finish_reason") == "error" or choice.get("error"):
            raise_told(choice.get("error") or "the answer broke off", request)
    state = answer.get("base_resp")
    if isinstance(state, Mapping) and state.get("status_code") and not choices_of(answer):
        raise_told({"code": state["status_code"], "message": state.get("status_msg")}, request)


def choices_of(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    choices = answer.get("choices")
    return [choice for choice in choices if isinstance(choice, Mapping)] if isinstance(choices, list) else []


def raise_told(error: object, request: httpx2.Request) -> None:
    """Raises the error that stands in an answer's body: an object with `message` and `code`, or words."""
    fields = error if isinstance(error, Mapping) else {"message": error}
    message, code = str(fields.get("message") or error), fields.get("code")
    if is_too_long(error):
        raise RequestRefused(400, TOO_LONG, message)
    if isinstance(code, int) and (code in (400, 413, 422) or code in REFUSED_NUMBERS):
        raise RequestRefused(400 if code >= 1000 else code, "invalid_request", message)
    raise openai.APIConnectionError(message=f"the answer tells of an error: {message}", request=request)
