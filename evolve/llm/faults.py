"""What an endpoint's errors mean: the request's own fault, the user's, or a fault that may pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx2
import openai

from evolve.core.errors import AccountError, BadInput, EndpointError, EvolveError, RequestRefused
from evolve.llm.window import TOO_LONG

PASSING = (408, 409, 425, 429)
UNAUTHORISED, UNPAID, FORBIDDEN, TOO_MANY = 401, 402, 403, 429
# MiniMax's own numbers, which come with status 200: the prompt or the answer is not to its liking.
REFUSED_NUMBERS = (1026, 1027, 1039, 2013)
# The key is wrong or missing, the balance is gone, the plan's hours are used up.
ACCOUNT_NUMBERS = (1004, 1008, 2049, 2056)
# How endpoints say that there is no money or no quota left, in lower case: in a code or a type, or with status 429.
# OpenAI's sentence about the current quota is not among them: others say it of a minute's limit.
SPENT_WORDS = re.compile(
    r"insufficient[_ ]quota|billing_(hard_limit_reached|not_active)|account_deactivated|access_terminated"
    r"|exceeded_current_quota_error|insufficient (account )?balance|insufficient[_ ]credits?|arrearage"
    r"|credit balance is too low|quota (has been |is )?exhausted|out of credits"
)
# Of a request that somebody's rules for contents refuse.
FLAGGED_WORDS = re.compile(r"moderation|flagged|content[_ ](filter|policy|management)|guardrail|safety")
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


def is_length_error(error: openai.APIStatusError) -> bool:
    """The same of an HTTP error; some endpoints say so with a status that is meant for their own faults."""
    limited = error.status_code in (401, 403, 404, 429)
    return not limited and is_too_long([error.message, error.body])


def is_transient(error: BaseException) -> bool:
    """Whether another try may go better."""
    if not isinstance(error, openai.APIStatusError):
        return isinstance(error, openai.APIConnectionError)
    if is_length_error(error) or is_account_error(error):
        return False
    return error.status_code >= 500 or error.status_code in PASSING


def is_account_error(error: openai.APIStatusError) -> bool:
    """Whether an HTTP error means the key or the account, which no waiting mends."""
    return _is_account(error.status_code, [error.code, error.type], [error.message, error.body])


def _is_account(status: object, kinds: object, words: object) -> bool:
    """status: of HTTP, or a vendor's number; kinds: the error's code and type; words: all else that it says."""
    if status in (UNAUTHORISED, UNPAID) or status in ACCOUNT_NUMBERS:
        return True
    told = str(words).lower()
    if status == FORBIDDEN:
        return not FLAGGED_WORDS.search(told)
    # Any other status may repeat the request, in which a scaffold can write what it likes.
    return bool(SPENT_WORDS.search(str(kinds).lower()) or (status == TOO_MANY and SPENT_WORDS.search(told)))


def translate_error(error: openai.OpenAIError, key_variable: str) -> EvolveError:
    """The program's own error for one of the client's that was not to be mended by another try."""
    if isinstance(error, openai.NotFoundError):
        return BadInput("model", f"the endpoint does not know it: {error.message}", "correct --model")
    if isinstance(error, openai.APIStatusError):
        if is_length_error(error):
            return RequestRefused(400, TOO_LONG, error.message)
        if is_account_error(error):
            return AccountError(f"model endpoint: the key or its quota is refused ({key_variable}): {error.message}")
        if error.status_code < 500 and error.status_code not in PASSING:
            return RequestRefused(error.status_code, str(error.code or "invalid_request"), error.message)
        return EndpointError(f"model endpoint: {error.message}")
    return EndpointError(f"model endpoint: {error}")


def is_empty(answer: Mapping[str, Any]) -> bool:
    """Whether an endpoint gave up without a word: its choices say nothing, and by no decision of the model's.

    A model that ends at once has made a token and gives its reason; a filter gives its own.
    """
    usage = answer.get("usage")
    made = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    return not any(_says_something(choice, made) for choice in choices_of(answer))


def _says_something(choice: Mapping[str, Any], tokens: object) -> bool:
    message, reason = choice["message"], choice.get("finish_reason")
    spoken = any(value for key, value in message.items() if key != "role")
    return spoken or not (reason is None or (reason == "stop" and tokens == 0))


def raise_if_error(answer: Any, request: httpx2.Request) -> None:
    """Raises what an answer, or an event of a stream, tells of an error although its HTTP status was 200.

    RequestRefused where the request is at fault, AccountError where the account is, else APIConnectionError, which is
    worth another try.
    """
    if not isinstance(answer, Mapping):
        return
    if error := answer.get("error"):
        raise_reported(error, request)
    if answer.get("object") == "error":
        raise_reported(answer, request)
    for choice in choices_of(answer):
        if choice.get("finish_reason") == "error" or choice.get("error"):
            raise_reported(choice.get("error") or "the answer broke off", request)
    state = answer.get("base_resp")
    if isinstance(state, Mapping) and state.get("status_code") and not choices_of(answer):
        raise_reported({"code": state["status_code"], "message": state.get("status_msg")}, request)


def choices_of(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    choices = answer.get("choices")
    return [choice for choice in choices if isinstance(choice, Mapping)] if isinstance(choices, list) else []


def raise_reported(error: object, request: httpx2.Request) -> None:
    """Raises the error that stands in an answer's body: an object with `message`, `code` and `type`, or words."""
    fields = error if isinstance(error, Mapping) else {"message": error}
    message, code = str(fields.get("message") or error), fields.get("code")
    if is_too_long(error):
        raise RequestRefused(400, TOO_LONG, message)
    if isinstance(code, str) and code.isdigit():
        code = int(code)
    if _is_account(code, [code, fields.get("type")], message):
        raise AccountError(f"model endpoint: the key or its quota is refused: {message}")
    if isinstance(code, int) and (code in (400, 413, 422) or code in REFUSED_NUMBERS):
        raise RequestRefused(400 if code >= 1000 else code, "invalid_request", message)
    raise openai.APIConnectionError(message=f"the answer tells of an error: {message}", request=request)
