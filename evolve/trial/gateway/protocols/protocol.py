"""What a protocol consists of: functions from its requests to ours, and from our answers and refusals to its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evolve.core.records import ModelSpec, Usage
from evolve.trial.gateway.wire import Body, Refusal

# A comment of the event stream, which clients skip: it only shows that the connection is alive.
COMMENT = ": keep-alive\n\n"


@dataclass(frozen=True)
class Reply:
    """The answer to one request.

    Attributes:
        asked: The request as the client sent it.
        completion: The answer, a `chat.completion`.
        usage: The host's count of its tokens.
    """

    asked: Body
    completion: Mapping[str, Any]
    usage: Usage

    @property
    def choice(self) -> Mapping[str, Any]:
        """The answer's one choice."""
        choice: Mapping[str, Any] = self.completion["choices"][0]
        return choice

    @property
    def message(self) -> Mapping[str, Any]:
        """The assistant's message."""
        message: Mapping[str, Any] = self.choice["message"]
        return message


@dataclass(frozen=True)
class Protocol:
    """One protocol.

    Attributes:
        chat_request: Translate a client's request, of which nothing is known but that it is a JSON object. Raises
            Refusal.
        whole: The body of an answer.
        events: The events of a streamed answer.
        error: The body of a refusal.
        failure: The events of a refusal in a stream that has begun, whose first events are those of `opening`.
        opening: The events with which each stream begins that answers this request: known before the answer is.
        keep_alive: What is sent while the answer is not there yet, after `opening`.
    """

    chat_request: Callable[[Body, ModelSpec], Body]
    whole: Callable[[Reply], Body]
    events: Callable[[Reply], Iterator[str]]
    error: Callable[[Refusal], Body]
    failure: Callable[[Body, Refusal], str]
    opening: Callable[[Body], str]
    keep_alive: str = COMMENT


def openai_error(refusal: Refusal) -> Body:
    """The error of OpenAI's APIs."""
    return {"error": {"message": refusal.message, "type": refusal.code, "code": refusal.code, "param": None}}


def named_event(content: Mapping[str, Any]) -> str:
    """An event whose name is its `type`."""
    return f"event: {content['type']}\ndata: {json.dumps(content)}\n\n"


def request_id(asked: Body) -> str:
    """An id for the answer to a request: the same in a replay, since it depends on the request alone."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]


def asked_model(asked: Body) -> str:
    """The model's name as the client knows it: clients look up prices and windows by it."""
    name = asked.get("model")
    return name[:200] if isinstance(name, str) and name else "model"
