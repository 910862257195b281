"""Errors of the `anthropic` client as those of the `openai` client, so that one set of rules classifies both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import openai

# The statuses that belong to the kinds of errors; an event of a stream has the kind alone.
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
ERRORS: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}
# An account without money gets status 400, as a request that is at fault does.
UNPAID, UNPAID_WORDS = 402, "your credit balance is too low"


@contextmanager
def as_openai_errors() -> Iterator[None]:
    """Raise the errors of the `anthropic` client as those of the `openai` client."""
    try:
        yield
    except anthropic.APITimeoutError as error:
        raise openai.APITimeoutError(error.request) from error
    except anthropic.APIStatusError as error:
        raise status_error(error.response, error.body) from error
    except anthropic.APIConnectionError as error:
        raise openai.APIConnectionError(message=_cause(error), request=error.request) from error
    except anthropic.APIError as error:
        raise openai.APIConnectionError(message=error.message, request=error.request) from error


def _cause(error: anthropic.APIConnectionError) -> str:
    return f"{error.message} {error.__cause__ or ''}".strip()


def status_error(response: httpx2.Response, body: Any) -> openai.APIStatusError:
    """Return the error that a response reports, by its status, or in an event of a stream that began well."""
    reported = body.get("error") if isinstance(body, Mapping) else None
    fields = dict(reported) if isinstance(reported, Mapping) else {}
    message = str(fields.get("message") or body or f"status {response.status_code}")
    status = response.status_code if response.status_code >= 400 else STATUSES.get(str(fields.get("type")), 500)
    if status == 400 and message.lower().startswith(UNPAID_WORDS):
        status = UNPAID
    plain = httpx2.Response(status, headers=response.headers, request=response.request)
    kind = ERRORS.get(status, openai.InternalServerError if status >= 500 else openai.APIStatusError)
    return kind(message, response=plain, body=fields or body)
