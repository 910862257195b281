"""OpenAI's Responses API as agents speak it: each request holds its whole conversation, and nothing is stored."""

from evolve.trial.gateway.protocols.protocol import Protocol, named_event, openai_error
from evolve.trial.gateway.protocols.responses import answer, events, request


def protocol() -> Protocol:
    """Return the Responses API as a protocol."""
    return Protocol(
        request.chat_request,
        answer.response_of,
        events.events_of,
        openai_error,
        events.failure,
        opening=events.opening,
        # Some clients give up a stream in which no event comes for minutes: a comment is none.
        keep_alive=named_event({"type": "keepalive"}),
    )
