"""The `openai` client, for any endpoint that speaks its protocol."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx2
import openai
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from evolve.core.records import ModelSpec
from evolve.llm.answer import BoundedBytes, parse_completion
from evolve.llm.connection import hides_key, open_client
from evolve.llm.faults import is_transient, translate_error
from evolve.llm.model import Body
from evolve.llm.reasoning import without_reasoning
from evolve.llm.retries import CONNECT_SECONDS, Losses, OnLost, call_seconds, requested_wait
from evolve.llm.stream import read_stream
from evolve.llm.window import fit_to_window

ATTEMPTS = 6


class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint. Retries transient faults with exponential back-off and jitter."""

    def __init__(self, spec: ModelSpec, longest_wait: float = 60.0, seconds: float | None = None) -> None:
        """Create the client.

        Args:
            spec: The model.
            longest_wait: Longest wait between two tries, in seconds.
            seconds: Time limit of one try; None: see `call_seconds`.
        """
        self._spec, self._longest_wait = spec, longest_wait
        self._seconds = seconds or call_seconds()
        self._asks_for_usage = spec.stream
        self._client = open_client(spec, self._seconds)

    @hides_key
    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        losses = Losses(on_lost)
        attempts = Retrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(ATTEMPTS),
            wait=self._wait,
            before=losses.before_try,
            after=losses.after_failure,
            reraise=True,
        )
        try:
            answer: dict[str, Any] = attempts(self._try_once, self._request(body))
        except openai.OpenAIError as error:
            raise translate_error(error, self._spec.key_variable) from error
        return answer

    def _request(self, body: Body) -> dict[str, Any]:
        """Adapt the request to the model. Raises RequestRefused if it can't fit into the context window."""
        request = fit_to_window(body, self._spec)
        if not self._spec.keep_reasoning and isinstance(request.get("messages"), list):
            request["messages"] = [without_reasoning(message) for message in request["messages"]]
        return request

    def _try_once(self, request: Body) -> dict[str, Any]:
        """Send the request once, with a time limit."""
        try:
            return self._send(request, time.monotonic() + self._seconds)
        except openai.APIStatusError as error:
            if not self._asks_for_usage or not _refuses_options(error):
                raise
            self._asks_for_usage = False
        return self._try_once(request)

    def _send(self, request: Body, end: float) -> dict[str, Any]:
        known = ("model", "messages", "stream", "stream_options")
        # The rest is passed through `extra_body`: as named arguments, some keys would change the client's behaviour.
        others = {key: value for key, value in request.items() if key not in known}
        if self._asks_for_usage:
            others["stream_options"] = {"include_usage": True}
        left = max(end - time.monotonic(), 0.01)
        with self._client.chat.completions.with_streaming_response.create(
            model=request["model"],
            messages=request["messages"],
            stream=self._spec.stream,
            extra_body=others,
            timeout=httpx2.Timeout(left, connect=min(left, CONNECT_SECONDS)),
        ) as answer:
            response = answer.http_response
            if "event-stream" in response.headers.get("content-type", ""):
                return read_stream(self._client, response, end)
            with BoundedBytes(response, end) as pieces:
                return parse_completion(b"".join(pieces), response.request)

    def _wait(self, state: RetryCallState) -> float:
        """Return the wait that the endpoint asks for, otherwise an exponential one with jitter."""
        error = state.outcome.exception() if state.outcome else None
        headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
        if (requested := requested_wait(headers, time.time())) is not None:
            return min(requested, self._longest_wait)
        default: Callable[[RetryCallState], float] = wait_exponential_jitter(initial=1, max=self._longest_wait)
        return default(state)


def _refuses_options(error: openai.APIStatusError) -> bool:
    """Whether an endpoint does not support `stream_options`."""
    return error.status_code in (400, 422) and "stream_options" in f"{error.message} {error.body}"
