"""The model's API: the real `openai` client for any compatible endpoint, or the embedded model in this process."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import httpx2
import openai
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential_jitter,
)

from evolve import embedded
from evolve.errors import BadInput, EvolveError, InfraError, RequestRefused
from evolve.records import ModelSpec, Usage

ATTEMPTS = 6
CALL_SECONDS = 300.0
MAX_ANSWER = 16_000_000
BYTES_PER_TOKEN = 4
TRANSIENT = (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError)

Body = Mapping[str, Any]


class TimeOver(EvolveError):
    """The caller's time ended while the endpoint was at work; it may have charged for the call."""


class ChatModel(Protocol):
    """One chat completion: an OpenAI request body in, a `chat.completion` dictionary out.

    seconds: time until the caller's end; None: as long as it takes. Raises RequestRefused where this request is at
    fault, InfraError where the endpoint is, TimeOver where it would have answered too late.
    """

    def complete(self, body: Body, seconds: float | None = None) -> dict[str, Any]: ...


class EmbeddedModel:
    """The model that needs no key: see `evolve.embedded`."""

    def complete(self, body: Body, seconds: float | None = None) -> dict[str, Any]:
        return embedded.complete(body)


class OpenAIModel:
    """Any OpenAI-compatible endpoint. Transient faults are retried with exponential back-off and jitter."""

    def __init__(self, spec: ModelSpec, longest_wait: float = 60.0) -> None:
        """longest_wait: seconds between two tries, at most."""
        self._longest_wait, self._key_variable = longest_wait, spec.key_variable
        key = os.environ.get(spec.key_variable) or "none"
        self._client = openai.OpenAI(api_key=key, base_url=spec.base_url, timeout=CALL_SECONDS, max_retries=0)

    def complete(self, body: Body, seconds: float | None = None) -> dict[str, Any]:
        limit = CALL_SECONDS * ATTEMPTS if seconds is None else seconds
        attempts = Retrying(
            retry=retry_if_exception_type(TRANSIENT),
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(limit),
            wait=self._wait,
            reraise=True,
        )
        try:
            answer: dict[str, Any] = attempts(self._once, body, time.monotonic() + limit)
        except openai.AuthenticationError as error:
            mend = f"set {self._key_variable}"
            raise BadInput("model", f"the endpoint refuses the key: {error.message}", mend) from error
        except openai.NotFoundError as error:
            raise BadInput("model", f"the endpoint does not know it: {error.message}", "correct MODEL") from error
        except openai.APIStatusError as error:
            if error.status_code >= 500 or error.status_code in (408, 409, 429):
                raise InfraError(f"model endpoint: {error.message}") from error
            raise RequestRefused(error.status_code, str(error.code or "invalid_request"), error.message) from error
        except openai.OpenAIError as error:
            raise InfraError(f"model endpoint: {error}") from error
        return answer

    def _once(self, body: Body, end: float) -> dict[str, Any]:
        """One try, given up at CALL_SECONDS or, by TimeOver, at `end` on the monotonic clock."""
        known = ("model", "messages", "stream")
        # All else goes through untouched: as named arguments, some keys would steer the client itself.
        others = {key: value for key, value in body.items() if key not in known}
        limit = max(min(CALL_SECONDS, end - time.monotonic()), 0.01)
        try:
            with self._client.chat.completions.with_streaming_response.create(
                model=body["model"], messages=body["messages"], stream=False, extra_body=others, timeout=limit
            ) as response:
                return _completion(_whole(response.iter_bytes(), response.http_request, time.monotonic() + limit))
        except openai.APITimeoutError as error:
            if time.monotonic() < end:
                raise
            raise TimeOver("the trial's time ended during a call of the model") from error

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


def open_model(spec: ModelSpec) -> ChatModel:
    """The client for this model."""
    if spec.base_url is None and spec.embedded:
        return EmbeddedModel()
    return OpenAIModel(spec)


def _whole(pieces: Iterable[bytes], request: httpx2.Request, end: float) -> bytes:
    """An answer that comes in pieces, up to MAX_ANSWER bytes and until `end` on the monotonic clock."""
    raw = bytearray()
    try:
        for piece in pieces:
            raw += piece
            if len(raw) > MAX_ANSWER:
                raise RequestRefused(400, "answer_too_large", f"the model's answer is over {MAX_ANSWER} bytes")
            if time.monotonic() > end:
                raise openai.APITimeoutError(request)
    except httpx2.TimeoutException as error:
        raise openai.APITimeoutError(request) from error
    except httpx2.HTTPError as error:
        raise openai.APIConnectionError(message=f"the answer broke off: {error}", request=request) from error
    return bytes(raw)


def _completion(raw: bytes) -> dict[str, Any]:
    """The endpoint's answer without its nulls; no number and no character in it that JSON could not carry on."""
    try:
        value = json.loads(raw, parse_constant=lambda _: None)
        if b"\\ud" in raw.lower():
            text = json.dumps(value, ensure_ascii=False)
            value = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        answer = _without_nulls(value)
    except (ValueError, RecursionError) as error:
        raise InfraError("model endpoint: the answer is not JSON; is BASE_URL right?") from error
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list):
        raise InfraError("model endpoint: the answer is no chat completion; is BASE_URL right?")
    if not choices or not all(isinstance(c, dict) and isinstance(c.get("message"), dict) for c in choices):
        raise InfraError("model endpoint: the answer holds no choice")
    return dict(answer)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def estimated_prompt(request: Body) -> int:
    """About how many tokens a request's prompt has."""
    return _estimated([request[key] for key in ("messages", "tools", "functions") if request.get(key)])


def _estimated(values: list[Any]) -> int:
    """About as many tokens as the text of these values has, where nobody has counted them; at least 1."""
    size = sum(len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) for value in values)
    return max(1, -(-size // BYTES_PER_TOKEN))


def usage_of(completion: Mapping[str, Any], spec: ModelSpec, request: Body) -> Usage:
    """What one completion cost; tokens that the endpoint did not report are estimated from the texts."""
    reported = completion.get("usage")
    counts = reported if isinstance(reported, Mapping) else {}
    prompt = _count(counts.get("prompt_tokens")) or estimated_prompt(request)
    answer = _count(counts.get("completion_tokens")) or _estimated([completion.get("choices")])
    return Usage(1, prompt, answer, spec.cost_usd(prompt, answer), 0)


def _count(value: Any) -> int:
    """A reported count; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


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
        mend = f"set {spec.key_variable}"
        raise BadInput("model", f"the endpoint refuses the key: {error.message}", mend) from error
    except openai.NotFoundError:
        return []
    except openai.OpenAIError as error:
        raise InfraError(f"model endpoint {spec.base_url or 'api.openai.com'}: {error}") from error
