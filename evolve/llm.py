"""The model's API: the real `openai` client for any compatible endpoint, or the embedded model in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import openai
from openai.types.chat import ChatCompletion
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from evolve import embedded
from evolve.errors import BadInput, InfraError, RequestRefused
from evolve.records import ModelSpec, Usage

ATTEMPTS = 6
CALL_SECONDS = 300.0
TRANSIENT = (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError)

Body = Mapping[str, Any]


class ChatModel(Protocol):
    """One chat completion: an OpenAI request body in, a `chat.completion` dictionary out.

    Raises RequestRefused where this request is at fault, InfraError where the endpoint is.
    """

    def complete(self, body: Body) -> dict[str, Any]: ...


class EmbeddedModel:
    """The model that needs no key: see `evolve.embedded`."""

    def complete(self, body: Body) -> dict[str, Any]:
        return embedded.complete(body)


class OpenAIModel:
    """Any OpenAI-compatible endpoint. Transient faults are retried with exponential back-off and jitter."""

    def __init__(self, spec: ModelSpec, longest_wait: float = 60.0) -> None:
        """longest_wait: seconds between two tries, at most."""
        self._longest_wait = longest_wait
        key = os.environ.get(spec.key_variable) or "none"
        self._client = openai.OpenAI(api_key=key, base_url=spec.base_url, timeout=CALL_SECONDS, max_retries=0)

    def complete(self, body: Body) -> dict[str, Any]:
        attempts = Retrying(
            retry=retry_if_exception_type(TRANSIENT),
            stop=stop_after_attempt(ATTEMPTS),
            wait=self._wait,
            reraise=True,
        )
        try:
            answer: dict[str, Any] = attempts(self._once, body)
        except openai.AuthenticationError as error:
            raise BadInput("model", f"the endpoint refuses the key: {error.message}", "set OPENAI_API_KEY") from error
        except openai.NotFoundError as error:
            raise BadInput("model", f"the endpoint does not know it: {error.message}", "correct MODEL") from error
        except openai.APIStatusError as error:
            if error.status_code >= 500 or error.status_code in (408, 409, 429):
                raise InfraError(f"model endpoint: {error.message}") from error
            raise RequestRefused(error.status_code, str(error.code or "invalid_request"), error.message) from error
        except openai.OpenAIError as error:
            raise InfraError(f"model endpoint: {error}") from error
        return answer

    def _once(self, body: Body) -> dict[str, Any]:
        known = ("model", "messages", "stream")
        # All else goes through untouched: as named arguments, some keys would steer the client itself.
        others = {key: value for key, value in body.items() if key not in known}
        completion = self._client.chat.completions.create(
            model=body["model"], messages=body["messages"], stream=False, extra_body=others
        )
        if not isinstance(completion, ChatCompletion):
            raise InfraError("model endpoint: the answer is no chat completion; is BASE_URL right?")
        if not completion.choices or completion.choices[0].message is None:
            raise InfraError("model endpoint: the answer holds no choice")
        answer: dict[str, Any] = completion.model_dump(exclude_none=True)
        return answer

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


def usage_of(completion: Mapping[str, Any], spec: ModelSpec) -> Usage:
    """What one completion cost; tokens that the endpoint did not report count as zero."""
    reported = completion.get("usage") or {}
    prompt, answer = int(reported.get("prompt_tokens") or 0), int(reported.get("completion_tokens") or 0)
    return Usage(1, prompt, answer, spec.cost_usd(prompt, answer), 0)


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
        raise BadInput("model", f"the endpoint refuses the key: {error.message}", "set OPENAI_API_KEY") from error
    except openai.NotFoundError:
        return []
    except openai.OpenAIError as error:
        raise InfraError(f"model endpoint {spec.base_url or 'api.openai.com'}: {error}") from error
