"""Classify an endpoint's errors: is the request, the user or the endpoint at fault, and is a retry worth it?"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import httpx2
import openai

from evolve.core.errors import AccountError, BadInput, EndpointError, EvolveError, RequestRefused
from evolve.llm.connection import connection_reason
from evolve.llm.refusals import code_text, error_fields, error_text, refused_parameter
from evolve.llm.window import TOO_LONG

PASSING = (408, 409, 425, 429)
UNAUTHORISED, UNPAID, FORBIDDEN, TOO_LARGE, TOO_MANY, SERVER_ERROR = 401, 402, 403, 413, 429, 500
TOO_LARGE_CODE = "request_too_large"
# Nothing is at this address, or no longer: the wrong model or base URL.
NOT_THERE = (404, 405, 410)
DIGITS = re.compile(r"\d{1,9}", re.ASCII)
# MiniMax's own codes, returned with status 200: it rejects the content of the prompt or the answer.
REFUSED_NUMBERS = (1026, 1027, 1039, 2013)
# The key is wrong or missing, the balance is empty, or the plan's hours are used up.
ACCOUNT_NUMBERS = (1004, 1008, 2049, 2056)
# How endpoints report that money or quota is used up, in lower case: in a code or a type, or with status 429.
# OpenAI's sentence about the current quota is missing here: others use it for a limit per minute.
SPENT_WORDS = re.compile(
    r"insufficient[_ ]quota|billing_(hard_limit_reached|not_active)|account_deactivated|access_terminated"
    r"|exceeded_current_quota_error|insufficient (account )?balance|insufficient[_ ]credits?|arrearage"
    r"|credit balance is too low|quota (has been |is )?exhausted|out of credits"
)
# How endpoints report that a content filter refused the request.
FLAGGED_WORDS = re.compile(r"moderation|flagged|content[_ ](filter|policy|management)|guardrail|safety")
# How endpoints report that a conversation is too long for the model, in lower case.
LENGTH_WORDS = re.compile(
    r"context[_ ]length[_ ]exceeded|exceed_context_size|exceeds the available context size"
    r"|maximum context length|exceeds? (the |its )?(model'?s )?context (window|length|size)"
    r"|context window exceeds|exceed context window|greater than the context length"
    r"|longer than the (model'?s )?(maximum )?(context|model length)|prompt is too long|prompt too long"
    r"|exceeded model token limit|range of input length should be|input token count.{0,40} exceeds"
    r"|prompt token count of \d+ exceeds|maximum prompt length is|must be at least 1, got -\d"
    r"|.inputs. tokens \+ .max_new_tokens. must be"
)
# The message lists possible causes, of which the length is only one.
GUESSES = re.compile(r"possible causes|or the request contains")
# A request that is larger than all that the endpoint takes in a minute never succeeds.
LARGE_WORDS = re.compile(r"request too large|request_too_large")
LIMIT = re.compile(r"limit:?\s*(\d+).{0,40}requested:?\s*(\d+)", re.DOTALL)


class ReportedFault(openai.APIConnectionError):
    """A fault that an answer, or an event of a stream, reports although its HTTP status was 200.

    Attributes:
        reported: The status that the answer gives it; None if it gives none.
    """

    def __init__(self, message: str, code: int | None, request: httpx2.Request) -> None:
        super().__init__(message=message, request=request)
        self.reported = code


class AnswerTooLarge(openai.APIConnectionError):
    """An answer that exceeds the limit on its size."""


def is_too_long(error: object) -> bool:
    """Whether an endpoint's error, in any form, reports that the conversation is too long."""
    fields = error_fields(error)
    text = f"{error_text(error)} {code_text(fields.get('code'))} {code_text(fields.get('type'))}".lower()
    return bool(LENGTH_WORDS.search(text)) and not GUESSES.search(text)


def is_too_large(error: openai.APIStatusError) -> bool:
    """Whether this request alone is larger than the endpoint's limit, so that waiting does not help."""
    if error.status_code != TOO_MANY:
        return error.status_code == TOO_LARGE
    text = error_text([error.message, error.body]).lower()
    numbers = LIMIT.search(text)
    return bool(LARGE_WORDS.search(text)) or bool(numbers and int(numbers[2]) > int(numbers[1]))


def is_server_error(error: BaseException) -> bool:
    """Whether a server failed on this request itself: the error that a request which it can't handle gets each time."""
    if isinstance(error, ReportedFault):
        return error.reported == SERVER_ERROR
    return isinstance(error, openai.APIStatusError) and error.status_code == SERVER_ERROR


def refused_parameter_of(error: openai.APIStatusError, more: Collection[str] = ()) -> str | None:
    """Return our name for the parameter that an HTTP error refuses, see `refused_parameter`."""
    code, param = error_fields(error.body).get("code"), error_fields(error.body).get("param")
    text = error_text([error.body, error.message])
    return refused_parameter(
        error.status_code,
        code if isinstance(code, str) else None,
        param if isinstance(param, str) else None,
        text,
        more,
    )


def is_length_error(error: openai.APIStatusError) -> bool:
    """Whether an HTTP error reports it; some endpoints use a status meant for their own faults."""
    limited = error.status_code in (401, 403, 404, 429)
    return not limited and (is_too_long(error.body) or is_too_long(error.message))


def is_transient(error: BaseException) -> bool:
    """Whether a retry may succeed."""
    if not isinstance(error, openai.APIStatusError):
        return isinstance(error, openai.APIConnectionError)
    if is_length_error(error) or is_account_error(error) or is_too_large(error) or refused_parameter_of(error):
        return False
    return error.status_code in PASSING or not 400 <= error.status_code < 500


def is_account_error(error: openai.APIStatusError) -> bool:
    """Whether an HTTP error is about the key or the account, where waiting does not help."""
    kinds = f"{code_text(error.code)} {code_text(error.type)}"
    return _is_account(error.status_code, kinds, error_text([error.body, error.message]))


def _is_account(status: object, kinds: str, message: str) -> bool:
    """Whether an error is about the key or the account.

    Args:
        status: The HTTP status, or a vendor's own code.
        kinds: The error's code and type.
        message: The rest of the error.
    """
    if status in (UNAUTHORISED, UNPAID) or status in ACCOUNT_NUMBERS:
        return True
    text = message.lower()
    if status == FORBIDDEN:
        return not FLAGGED_WORDS.search(text)
    # With any other status the message may quote the request, which the scaffold controls.
    return bool(SPENT_WORDS.search(kinds.lower()) or (status == TOO_MANY and SPENT_WORDS.search(text)))


def translate_error(error: openai.OpenAIError, key_variable: str) -> EvolveError:
    """Return our own error for an error of the client that retries did not cure."""
    if not isinstance(error, openai.APIStatusError):
        return EndpointError(f"model endpoint: {connection_reason(error)}")
    text = describe_error(error)
    if is_length_error(error):
        return RequestRefused(400, TOO_LONG, text)
    if is_account_error(error):
        return AccountError(f"model endpoint: key or quota refused ({key_variable}): {text}")
    if error.status_code in NOT_THERE:
        return BadInput("model", f"unknown to the endpoint: {text}", "correct --model")
    if is_too_large(error):
        return RequestRefused(TOO_LARGE, TOO_LARGE_CODE, text)
    if 400 <= error.status_code < 500 and error.status_code not in PASSING:
        return RequestRefused(error.status_code, code_text(error.code) or "invalid_request", text)
    return EndpointError(f"model endpoint: {text}")


def describe_error(error: openai.APIStatusError) -> str:
    """Return an HTTP error in one line: the server's own words, and the status where it has none."""
    text = " ".join(error_text(error.body).split())
    return text or error.message or f"HTTP status {error.status_code}"


def is_empty(answer: Mapping[str, Any]) -> bool:
    """Whether the endpoint returned nothing: all choices are empty, and not because the model decided so.

    A model that stops at once has generated a token and gives its finish reason; so does a content filter.
    """
    usage = answer.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    return not any(_is_complete(choice, tokens) for choice in choices_of(answer))


def _is_complete(choice: Mapping[str, Any], tokens: object) -> bool:
    message, reason = choice["message"], choice.get("finish_reason")
    has_content = any(value for key, value in message.items() if key != "role")
    return has_content or not (reason is None or (reason == "stop" and tokens == 0))


def raise_if_error(answer: Any, request: httpx2.Request) -> None:
    """Raise the error that an answer, or an event of a stream, reports although its HTTP status was 200.

    Raises:
        RequestRefused: The request is at fault.
        AccountError: The key or the account is at fault.
        openai.APIConnectionError: Any other error; worth a retry.
    """
    if not isinstance(answer, Mapping):
        return
    if error := answer.get("error"):
        raise_reported(error, request)
    if answer.get("object") == "error":
        raise_reported(answer, request)
    for choice in choices_of(answer):
        if choice.get("finish_reason") == "error" or choice.get("error"):
            raise_reported(choice.get("error") or "the answer was cut off", request)
    state = answer.get("base_resp")
    if isinstance(state, Mapping) and state.get("status_code") and not choices_of(answer):
        raise_reported({"code": state["status_code"], "message": state.get("status_msg")}, request)


def choices_of(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the well-formed choices of an answer."""
    choices = answer.get("choices")
    return [choice for choice in choices if isinstance(choice, Mapping)] if isinstance(choices, list) else []


def raise_reported(error: object, request: httpx2.Request) -> None:
    """Raise the error in an answer's body: an object with `message`, `code` and `type`, or a text."""
    fields = error if isinstance(error, Mapping) else {"message": error}
    code = fields.get("code")
    message = error_text(error) or f"code {code_text(code) or None}"
    if isinstance(code, str) and DIGITS.fullmatch(code):
        code = int(code)
    if is_too_long(error):
        raise RequestRefused(400, TOO_LONG, message)
    if _is_account(code, f"{code_text(code)} {code_text(fields.get('type'))}", message):
        raise AccountError(f"model endpoint: key or quota refused: {message}")
    if isinstance(code, int) and (code in (400, 413, 422) or code in REFUSED_NUMBERS):
        raise RequestRefused(400 if code >= 1000 else code, "invalid_request", message)
    raise ReportedFault(f"the answer reports an error: {message}", code if isinstance(code, int) else None, request)
