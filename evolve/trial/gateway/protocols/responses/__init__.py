"""OpenAI's Responses API as agents speak it: each request holds its whole conversation, and nothing is stored."""

from evolve.trial.gateway.protocols.protocol import Protocol, openai_error
from evolve.trial.gateway.protocols.responses import answer, events, request

PROTOCOL = Protocol(
    request.chat_request,
    answer.response_of,
    events.events_of,
    openai_error,
    events.failure,
    opening=events.opening,
    keep_alive=events.KEEP_ALIVE,
)
