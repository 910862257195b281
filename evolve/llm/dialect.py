"""What a client finds out about its endpoint while it talks to it: how to send requests, so that answers stay equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import openai

from evolve.core.records import ModelSpec
from evolve.llm.faults import describe_error, is_transient, refused_parameter_of
from evolve.llm.outgoing import is_never_sent
from evolve.llm.refusals import REASONING_WANTED

# Proxies drop a connection on which nothing came for so long, in seconds; Cloudflare's status for that is 524.
SLOW_SECONDS = 100.0
SLOW_STATUS = 524
OPTIONS_STATUSES = (400, 422)


@dataclass
class Dialect:
    """How to send the next try.

    Attributes:
        streams: Ask for a stream.
        asks_for_usage: Ask a stream for its usage.
        fills_reasoning: Give each of the assistant's messages a reasoning, an empty one if need be.
        may_stream: Streaming may be tried although the model's facts don't ask for it.
    """

    streams: bool
    asks_for_usage: bool
    may_stream: bool
    fills_reasoning: bool = False

    @staticmethod
    def of(spec: ModelSpec) -> Dialect:
        can_stream = not is_never_sent(spec, "stream")
        asks = not is_never_sent(spec, "stream_options")
        return Dialect(spec.stream and can_stream, asks, can_stream and not spec.stream)

    def fields(self) -> dict[str, Any]:
        """Return the fields of a request that say in what form the answer is to come."""
        options = {"stream_options": {"include_usage": True}} if self.streams and self.asks_for_usage else {}
        return {"stream": self.streams, **options}

    def adjust(self, error: openai.APIError, spec: ModelSpec) -> bool:
        """Change what the endpoint refuses, if something can be changed. Returns whether it was: try again at once."""
        if not isinstance(error, openai.APIStatusError):
            return False
        parameter, text = refused_parameter_of(error), describe_error(error)
        if self.streams and self.asks_for_usage and error.status_code in OPTIONS_STATUSES and "stream_options" in text:
            self.asks_for_usage = False
        elif parameter == "stream" and self.streams and not spec.stream:
            self.streams = self.may_stream = False
        elif parameter == "keep_reasoning" and spec.keep_reasoning and self._may_fill(text):
            self.fills_reasoning = True
        else:
            return False
        return True

    def _may_fill(self, text: str) -> bool:
        return not self.fills_reasoning and bool(REASONING_WANTED.search(text))

    def note_failure(self, error: BaseException, seconds: float) -> None:
        """Stream from now on if a try failed because its answer, which was not streamed, took too long."""
        is_slow = seconds >= SLOW_SECONDS or (
            isinstance(error, openai.APIStatusError) and error.status_code == SLOW_STATUS
        )
        if self.may_stream and is_slow and is_transient(error):
            self.streams = True
