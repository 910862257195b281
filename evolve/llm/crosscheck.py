"""Tell a request that can never succeed from an endpoint that fails: ask for something tiny in between.

Some servers answer a request that they can't handle with status 500 each time, for example a call that the model wrote
badly and their parser does not take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai

from evolve.core.errors import RequestRefused
from evolve.core.records import ModelSpec, Usage
from evolve.llm.faults import is_server_error
from evolve.llm.model import Body
from evolve.llm.outgoing import adapted_request
from evolve.llm.retries import Losses
from evolve.llm.tiny import tiny_body
from evolve.llm.usage import usage_of

ROUNDS = 3
CODE = "always_fails"
Send = Callable[[Body], dict[str, Any]]


def tiny_request(spec: ModelSpec) -> dict[str, Any]:
    """Return a request that any endpoint that works can answer, with the facts of the model."""
    return adapted_request(tiny_body(spec.name), spec)


def retry_between_tiny_requests(
    send: Send, request: Body, spec: ModelSpec, losses: Losses, pause: Callable[[int], None], error: openai.OpenAIError
) -> dict[str, Any]:
    """Send tiny requests and the failing one in turn, up to ROUNDS times each.

    Args:
        send: Sends a request once.
        request: The request that failed with `error` each time it was tried.
        spec: The model.
        losses: Where the time lost and the usage of the tiny requests are reported.
        pause: Waits before the round of this number, from 0.
        error: See `request`.

    Returns:
        The answer to the request, if it is answered after all.

    Raises:
        RequestRefused: 500 `always_fails`: the endpoint answers everything but this request.
        openai.OpenAIError: `error`, if a tiny request fails too; or another error of the request.
    """
    for number in range(ROUNDS):
        pause(number)
        _ask_tiny(send, spec, losses, error)
        try:
            return send(request)
        except openai.OpenAIError as again:
            losses.report(Usage(retries=1))
            if not is_server_error(again):
                raise
    message = f"the endpoint fails on this request each time, and answers others: {error}"
    raise RequestRefused(500, CODE, message) from error


def _ask_tiny(send: Send, spec: ModelSpec, losses: Losses, error: openai.OpenAIError) -> None:
    """Send a tiny request. Raises `error` if it fails too."""
    tiny = tiny_request(spec)
    try:
        answer = send(tiny)
    except (openai.OpenAIError, RequestRefused):
        losses.report()
        raise error from None
    losses.report(usage_of(answer, spec, tiny))
