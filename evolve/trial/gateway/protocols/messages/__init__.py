"""Anthropic's Messages API as agents speak it."""

from evolve.trial.gateway.protocols.messages import answer, request
from evolve.trial.gateway.protocols.protocol import Protocol


def protocol() -> Protocol:
    """Return the Messages API as a protocol."""
    return Protocol(
        request.chat_request,
        answer.message_of,
        answer.events_of,
        answer.error_of,
        answer.failure,
        opening=lambda asked: "",
        keep_alive=answer.ping(),
    )
