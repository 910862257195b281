"""What a model is to the rest of the program: one call that answers a chat-completions request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from evolve import embedded
from evolve.llm.retries import OnLost

Body = Mapping[str, Any]


class ChatModel(Protocol):
    """One chat completion: an OpenAI request body in, a `chat.completion` dictionary out.

    on_lost: told what failed tries and the waits after them take, as it happens (`retries` and `lost_seconds` of a
    Usage, and nothing else); what it raises ends the call. Raises RequestRefused where this request is at fault,
    InfraError where the endpoint or the account is.
    """

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]: ...


class EmbeddedModel:
    """The model that needs no key: see `evolve.embedded`."""

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        return embedded.complete(body)
