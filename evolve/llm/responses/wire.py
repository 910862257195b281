"""Send a request to the Responses API with the `openai` client."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import httpx2
import openai

from evolve.core.records import ModelSpec
from evolve.llm.exchange import raise_if_refused, read_completion, refuses_reasoning
from evolve.llm.model import Body
from evolve.llm.responses.answer import merge_events, to_completion
from evolve.llm.responses.request import to_request
from evolve.llm.retries import CONNECT_SECONDS

ADDED = ("include", "store")


def send(client: openai.OpenAI, request: Body, spec: ModelSpec, end: float) -> dict[str, Any]:
    """Send a request in the form of chat completions once, until `end` on the monotonic clock.

    An endpoint that can't use the earlier reasoning gets the request a second time without it.

    Returns:
        The answer, a `chat.completion`.

    Raises:
        RequestRefused: The answer reports that the request is at fault.
        AccountError: The answer reports that the key or the account is at fault.
        HostRefused: The endpoint refuses a field that only requests of this API have.
        openai.OpenAIError: The request failed.
    """
    try:
        return _send(client, to_request(request, spec), spec, end)
    except openai.APIStatusError as error:
        if not refuses_reasoning(error):
            raise_if_refused(error, ADDED, spec)
            raise
    return _send(client, to_request(request, spec, reasoning=False), spec, end)


def _send(client: openai.OpenAI, request: dict[str, Any], spec: ModelSpec, end: float) -> dict[str, Any]:
    left = max(end - time.monotonic(), 0.01)
    # All fields go through `extra_body`: as named arguments, some would change the client's behaviour.
    others = {key: value for key, value in request.items() if key not in ("model", "input", "stream")}

    def events(response: httpx2.Response) -> Iterable[Any]:
        return openai.Stream(cast_to=object, response=response, client=client)

    with client.responses.with_streaming_response.create(
        model=request["model"],
        input=request["input"],
        stream=spec.stream,
        extra_body=others,
        timeout=httpx2.Timeout(left, connect=min(left, CONNECT_SECONDS)),
    ) as answer:
        return read_completion(answer.http_response, end, events, merge_events, to_completion)
