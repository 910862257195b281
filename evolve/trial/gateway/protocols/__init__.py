"""The protocols that agents speak: each is a translation to and from the inner form, that of chat completions."""

from evolve.trial.gateway.protocols import chat, messages, responses
from evolve.trial.gateway.protocols.protocol import Protocol, Reply

CHAT, RESPONSES, MESSAGES = chat.PROTOCOL, responses.PROTOCOL, messages.PROTOCOL

__all__ = ["CHAT", "MESSAGES", "RESPONSES", "Protocol", "Reply"]
