"""The `openai` client, for any endpoint that speaks its protocol."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx2
import openai
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from evolve.core.errors import RequestRefused
from evolve.core.records import ModelSpec
from evolve.llm.answer import BoundedBytes, is_stream, parse_completion
from evolve.llm.attribution import Attribution
from evolve.llm.connection import open_client
from evolve.llm.crosscheck import retry_between_tiny_requests
from evolve.llm.dialect import Dialect
from evolve.llm.faults import is_server_error, is_transient
from evolve.llm.model import Body
from evolve.llm.outgoing import (
    adapted_request,
    conversation_seed,
    endpoint_fields,
    extra_fields,
    with_empty_reasoning,
)
from evolve.llm.redaction import hides_key
from evolve.llm.retries import CONNECT_SECONDS, Losses, OnLost, call_seconds, requested_wait
from evolve.llm.stream import read_stream

ATTEMPTS = 6
# A field that is not sent, where the client wants an argument.
LEFT_OUT: Any = openai.omit


class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint. Retries transient faults with exponential back-off and jitter.

    Attributes:
        dialect: What it has found out about the endpoint so far.
    """

    def __init__(
        self,
        spec: ModelSpec,
        longest_wait: float = 60.0,
        seconds: float | None = None,
        *,
        has_answered: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Create the client.

        Args:
            spec: The model.
            longest_wait: Longest wait between two tries, in seconds.
            seconds: Time limit of one try; None: see `call_seconds`.
            has_answered: The endpoint is known to have answered: a 404 is then its fault, and no wrong model name.
            sleep: Waits between tries.

        Raises:
            BadInput: `extra_body` of the model is not the text of a JSON object.
        """
        extra_fields(spec)
        self._spec, self._longest_wait, self._sleep = spec, longest_wait, sleep
        self._seconds = seconds or call_seconds()
        self._has_answered = has_answered
        self.dialect = Dialect.of(spec)
        self._client: Any = self._open_client()

    def _open_client(self) -> Any:
        """Return the vendor's client. Clients of other APIs have their own."""
        return open_client(self._spec, self._seconds)

    @hides_key
    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        """Answer a request: see `ChatModel`. Raises HostRefused, an EndpointError, for what the caller did not add."""
        request = adapted_request(body, self._spec)
        try:
            answer = self._persist(request, Losses(on_lost))
        except (openai.OpenAIError, RequestRefused) as error:
            fault = Attribution(self._spec, request, self._has_answered).fault_of(error)
            if fault is error:
                raise
            raise fault from error
        self._has_answered = True
        return answer

    def _persist(self, request: Body, losses: Losses) -> dict[str, Any]:
        """Try the request until it is answered or can't be."""
        attempts = Retrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(ATTEMPTS),
            wait=self._wait,
            sleep=self._sleep,
            before=losses.before_try,
            after=losses.after_failure,
            reraise=True,
        )
        try:
            answer: dict[str, Any] = attempts(self._try_once, request)
        except openai.OpenAIError as error:
            if not is_server_error(error) or not is_transient(error):
                raise
            return retry_between_tiny_requests(self._try_once, request, self._spec, losses, self._pause, error)
        return answer

    def _try_once(self, request: Body) -> dict[str, Any]:
        """Send the request once, with a time limit; at once again if the endpoint wants it in another form."""
        started = time.monotonic()
        try:
            return self._exchange(request, started + self._seconds)
        except openai.APIError as error:
            if not self.dialect.adjust(error, self._spec):
                self.dialect.note_failure(error, time.monotonic() - started)
                raise
        return self._try_once(request)

    def _exchange(self, request: Body, end: float) -> dict[str, Any]:
        """Turn an adapted request into a completion, until `end` on the monotonic clock.

        All that depends on the API's protocol is here; clients of other APIs have their own.

        Returns:
            The answer in the form of `normal_answer`.

        Raises:
            openai.OpenAIError, RequestRefused, AccountError: see `faults` and `attribution`.
        """
        if self.dialect.fills_reasoning:
            request = {**request, "messages": with_empty_reasoning(request.get("messages"))}
        seed, left = conversation_seed(request), max(end - time.monotonic(), 0.01)
        # All is passed through `extra_body`: as named arguments, some keys would change the client's behaviour.
        fields = endpoint_fields({**request, **self.dialect.fields()}, self._spec)
        with self._client.chat.completions.with_streaming_response.create(
            model=fields.pop("model", LEFT_OUT),
            messages=fields.pop("messages", LEFT_OUT),
            stream=fields.pop("stream", LEFT_OUT),
            extra_body=fields,
            timeout=httpx2.Timeout(left, connect=min(left, CONNECT_SECONDS)),
        ) as answer:
            response = answer.http_response
            if is_stream(response):
                return read_stream(self._client, response, end, seed)
            with BoundedBytes(response, end) as pieces:
                return parse_completion(b"".join(pieces), response.request, seed)

    def _wait(self, state: RetryCallState) -> float:
        """Return the wait that the endpoint asks for, otherwise an exponential one with jitter."""
        error = state.outcome.exception() if state.outcome else None
        headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
        if (requested := requested_wait(headers, time.time())) is not None:
            return min(requested, self._longest_wait)
        default: Callable[[RetryCallState], float] = wait_exponential_jitter(initial=1, max=self._longest_wait)
        return default(state)

    def _pause(self, number: int) -> None:
        self._sleep(min(2.0**number, self._longest_wait))
