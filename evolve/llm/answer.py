"""Read an answer's bytes, with limits on size and time, and parse the `chat.completion` in them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import openai

from evolve.llm.faults import AnswerTooLarge, is_empty, raise_if_error
from evolve.llm.foreign_json import TooDeep, parse_json
from evolve.llm.normal import Unusable, normal_answer

MAX_ANSWER = 16_000_000
# Of a stream, most bytes are the frame of each token.
MAX_STREAM = 64_000_000


class BoundedBytes(httpx2.SyncByteStream):
    """The bytes of a response: at most `most` of them, until `end` on the monotonic clock.

    Use as a context manager. Raises the errors of `openai`. `read_to_end`: whether the whole response was read.
    """

    def __init__(self, response: httpx2.Response, end: float) -> None:
        self._response, self._end = response, end
        self.most = MAX_STREAM if is_stream(response) else MAX_ANSWER
        self.read_to_end = False
        self._watch = threading.Timer(max(end - time.monotonic(), 0), self._hang_up)
        self._watch.daemon = True

    def __enter__(self) -> BoundedBytes:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        # From here on the connection may belong to another call.
        self._watch.cancel()

    def __iter__(self) -> Iterator[bytes]:
        size, request = 0, self._response.request
        try:
            for piece in self._response.iter_bytes():
                size += len(piece)
                if size > self.most:
                    raise AnswerTooLarge(message=f"the model's answer exceeds {self.most} bytes", request=request)
                self._check_time()
                yield piece
            self._check_time()
            self.read_to_end = True
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request) from error
        except (httpx2.HTTPError, OSError) as error:
            self._check_time()
            raise openai.APIConnectionError(message=f"the answer broke off: {error}", request=request) from error

    def _check_time(self) -> None:
        if time.monotonic() >= self._end:
            raise openai.APITimeoutError(self._response.request)

    def _hang_up(self) -> None:
        """Interrupt a waiting read: a read's own timeout restarts with every piece."""
        stream = self._response.extensions.get("network_stream")
        link = stream.get_extra_info("socket") if stream is not None else None
        with contextlib.suppress(OSError):
            if isinstance(link, socket.socket):
                # Not the TLS socket's own shutdown, which would destroy the session while it is read.
                socket.socket.shutdown(link, socket.SHUT_RDWR)


def is_stream(response: httpx2.Response) -> bool:
    """Whether a response is a stream of events."""
    return "event-stream" in response.headers.get("content-type", "").lower()


def parse_completion(raw: bytes, request: httpx2.Request, seed: int = 0) -> dict[str, Any]:
    """Parse an endpoint's answer and bring it into the one form of `normal_answer`.

    Args:
        raw: The body of the response.
        request: The request that it answers.
        seed: For the ids of calls that have none.

    Raises:
        RequestRefused: The answer reports that the request is at fault.
        AccountError: The answer reports that the key or the account is at fault.
        openai.APIConnectionError: It is no usable answer; worth a retry.
    """
    try:
        value = parse_json(raw)
    except TooDeep as error:
        raise _no_answer(f"the answer is {error}", request) from error
    except ValueError as error:
        raise _no_answer("the answer is not JSON; is the base URL right?", request) from error
    raise_if_error(value, request)
    try:
        answer = normal_answer(value, seed)
    except Unusable as error:
        raise _no_answer(str(error), request) from error
    if is_empty(answer):
        raise _no_answer("the answer is empty", request)
    for choice in answer["choices"]:
        choice["finish_reason"] = choice["finish_reason"] or (
            "tool_calls" if choice["message"].get("tool_calls") else "stop"
        )
    return answer


def _no_answer(problem: str, request: httpx2.Request) -> openai.APIConnectionError:
    return openai.APIConnectionError(message=problem, request=request)
