"""The protocols that agents speak: each is a translation to and from the inner form, that of chat completions."""

from collections.abc import Callable

from evolve.core.records import Api
from evolve.trial.gateway.protocols import chat, messages, responses
from evolve.trial.gateway.protocols.protocol import Protocol, Reply

__all__ = ["Protocol", "Reply", "protocol_of"]


def protocol_of(api: Api) -> Protocol:
    """Return the protocol of this name."""
    made: dict[Api, Callable[[], Protocol]] = {
        "chat": chat.protocol,
        "responses": responses.protocol,
        "messages": messages.protocol,
    }
    return made[api]()
