"""The interface of a model: one call that answers a chat-completions request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from evolve import embedded
from evolve.llm.retries import OnLost

Body = Mapping[str, Any]


class ChatModel(Protocol):
    """A model that answers chat-completions requests."""

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        """Answer an OpenAI request body with a `chat.completion` dictionary.

        Args:
            body: The request.
            on_lost: Called with the `retries` and `lost_seconds` of failed tries and the waits after them, as they
                happen; and with calls, tokens and cost of requests made only to see whether the endpoint works. An
                exception from it ends the call.

        Raises:
            RequestRefused: The request is at fault.
            HostRefused: What the host added to it is.
            InfraError: The endpoint or the account is at fault.
        """
        ...


class NamedModels:
    """Several models, of which the one answers that a request names. models: by their names."""

    def __init__(self, models: Mapping[str, ChatModel]) -> None:
        self._models = dict(models)

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        return self._models[body["model"]].complete(body, on_lost)


class EmbeddedModel:
    """The model in this process, which needs no key: see `evolve.embedded`."""

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        return embedded.complete(body)
