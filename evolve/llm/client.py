"""The real `openai` client, for any endpoint that speaks its protocol."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import openai
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential_jitter,
)

from evolve.errors import EndpointError
from evolve.llm.faults import TRANSIENT, meaning, refused_length
from evolve.llm.model import Body, TimeOver
from evolve.llm.reasoning import without_reasoning
from evolve.llm.stream import streamed
from evolve.llm.whole import Bounded, completion_of
from evolve.llm.window import fitted
from evolve.records import ModelSpec

ATTEMPTS = 6
CALL_SECONDS = 300.0


class OpenAIModel:
    """Any OpenAI-compatible endpoint. Transient faults are retried with exponential back-off and jitter."""

    def __init__(self, spec: ModelSpec, longest_wait: float = 60.0) -> None:
        """longest_wait: seconds between two tries, at most."""
        self._spec, self._longest_wait = spec, longest_wait
        self._asks_for_usage = spec.stream
        key = os.environ.get(spec.key_variable) or "none"
        self._client = openai.OpenAI(api_key=key, base_url=spec.base_url, timeout=CALL_SECONDS, max_retries=0)

    def complete(self, body: Body, seconds: float | None = None) -> dict[str, Any]:
        limit = CALL_SECONDS * ATTEMPTS if seconds is None else seconds
        attempts = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(limit),
            wait=self._wait,
            reraise=True,
        )
        try:
            answer: dict[str, Any] = attempts(self._once, self._request(body), time.monotonic() + limit)
        except openai.OpenAIError as error:
            raise meaning(error, self._spec.key_variable) from error
        return answer

    def _request(self, body: Body) -> dict[str, Any]:
        """The body as this model wants it. Raises RequestRefused where it can't fit."""
        request = fitted(body, self._spec)
        if not self._spec.keep_reasoning and isinstance(request.get("messages"), list):
            request["messages"] = [without_reasoning(message) for message in request["messages"]]
        return request

    def _once(self, request: Body, end: float) -> dict[str, Any]:
        """One try, given up at CALL_SECONDS or, by TimeOver, at `end` on the monotonic clock."""
        try:
            return self._asked(request, min(time.monotonic() + CALL_SECONDS, end))
        except openai.APITimeoutError as error:
            if time.monotonic() < end:
                raise
            raise TimeOver("the trial's time ended during a call of the model") from error
        except openai.APIStatusError as error:
            if not self._asks_for_usage or not _refuses_options(error):
                raise
            self._asks_for_usage = False
        return self._once(request, end)

    def _asked(self, request: Body, end: float) -> dict[str, Any]:
        known = ("model", "messages", "stream", "stream_options")
        # All else goes through untouched: as named arguments, some keys would steer the client itself.
        others = {key: value for key, value in request.items() if key not in known}
        if self._asks_for_usage:
            others["stream_options"] = {"include_usage": True}
        with self._client.chat.completions.with_streaming_response.create(
            model=request["model"],
            messages=request["messages"],
            stream=self._spec.stream,
            extra_body=others,
            timeout=max(end - time.monotonic(), 0.01),
        ) as answer:
            response = answer.http_response
            if "event-stream" in response.headers.get("content-type", ""):
                return streamed(self._client, response, end)
            with Bounded(response, end) as pieces:
                return completion_of(b"".join(pieces), response.request)

    def _wait(self, state: RetryCallState) -> float:
        """As long as the endpoint asks for, else exponential with jitter."""
        error = state.outcome.exception() if state.outcome else None
        if (
            isinstance(error, openai.APIStatusError)
            and (asked := error.response.headers.get("retry-after", "")).isdigit()
        ):
            return min(float(asked), self._longest_wait)
        default: Callable[[RetryCallState], float] = wait_exponential_jitter(initial=1, max=self._longest_wait)
        return default(state)


def _may_pass(error: BaseException) -> bool:
    """Whether another try may go better."""
    return isinstance(error, TRANSIENT) and not (isinstance(error, openai.APIStatusError) and refused_length(error))


def _refuses_options(error: openai.APIStatusError) -> bool:
    """Whether an endpoint does not know how to be asked for the usage of a stream."""
    return error.status_code in (400, 422) and "stream_options" in f"{error.message} {error.body}"


def known_models(spec: ModelSpec) -> list[str]:
    """The names that the endpoint lists; empty where it lists none. Raises InfraError if it can't be reached."""
    if spec.base_url is None and spec.embedded:
        return ["embedded", "embedded-hard"]
    client = openai.OpenAI(
        api_key=os.environ.get(spec.key_variable) or "none", base_url=spec.base_url, timeout=30, max_retries=1
    )
    try:
        return [model.id for model in client.models.list()]
    except openai.AuthenticationError as error:
        raise meaning(error, spec.key_variable) from error
    except openai.NotFoundError:
        return []
    except openai.OpenAIError as error:
        raise EndpointError(f"model endpoint {spec.base_url or 'api.openai.com'}: {error}") from error
