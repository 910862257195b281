"""Anthropic's Messages API as agents speak it."""

from evolve.trial.gateway.protocols.messages import answer, request
from evolve.trial.gateway.protocols.protocol import Protocol

PROTOCOL = Protocol(
    request.chat_request,
    answer.message_of,
    answer.events_of,
    answer.error_of,
    answer.failure,
    opening=lambda asked: "",
    keep_alive=answer.PING,
)
