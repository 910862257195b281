"""What a model is to the rest of the program: one call that answers a chat-completions request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from evolve import embedded
from evolve.errors import EvolveError

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
