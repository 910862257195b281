"""Read an answer's bytes, with limits on size and time, and parse the `chat.completion` in them."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import openai

from evolve.core.errors import RequestRefused
from evolve.llm.faults import is_empty, raise_if_error
from evolve.llm.normal import Unusable, normal_answer

MAX_ANSWER = 16_000_000


class BoundedBytes(httpx2.SyncByteStream):
    """The bytes of a response: at most MAX_ANSWER of them, until `end` on the monotonic clock.

    Use as a context manager. Raises the errors of `openai`. `read_to_end`: whether the whole response was read.
    """

    def __init__(self, response: httpx2.Response, end: float) -> None:
        self._response, self._end = response, end
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
                if size > MAX_ANSWER:
                    raise RequestRefused(400, "answer_too_large", f"the model's answer exceeds {MAX_ANSWER} bytes")
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
    except (ValueError, RecursionError) as error:
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


def parse_json(raw: bytes) -> Any:
    """Parse JSON of unknown origin: only numbers and characters that JSON can represent are left.

    Raises:
        ValueError, RecursionError: It is not JSON, or nested too deeply.
    """
    text = raw.decode("utf-8-sig", "replace")
    value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite_number)
    if "\\ud" in text.lower():
        text = json.dumps(value, ensure_ascii=False)
        value = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return value


def _finite_number(text: str) -> float | None:
    return number if math.isfinite(number := float(text)) else None


def _no_answer(problem: str, request: httpx2.Request) -> openai.APIConnectionError:
    return openai.APIConnectionError(message=problem, request=request)
