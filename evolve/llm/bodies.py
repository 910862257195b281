"""Bound the bodies of responses that the vendors' clients read whole, without a limit on size or time.

These are errors, and what is fetched beside the answers to requests, such as lists of models. Answers have their own
limits: see `answer.BoundedBytes`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import httpx2

from evolve.llm.retries import requested_wait

MAX_ERROR_BODY = 100_000
MAX_LIST_BODY = 16_000_000
SECONDS = 60.0
WAITS = ("retry-after", "retry-after-ms")


def bound_body(response: httpx2.Response) -> None:
    """Replace the body of a response by its beginning, decompressed. A hook of the HTTP client.

    The body of an error ends where it breaks off, takes too long or can't be decompressed. Any other must be complete.

    Raises:
        httpx2.HTTPError: A body that is no error's breaks off, or can't be decompressed.
    """
    if response.is_success and response.request.method == "POST":
        return
    timeout = response.request.extensions.get("timeout") or {}
    end = time.monotonic() + (timeout.get("read") or SECONDS)
    response.stream = _Body(_beginning(response, end, MAX_LIST_BODY if response.is_success else MAX_ERROR_BODY))
    for name in ("content-encoding", "content-length"):
        response.headers.pop(name, None)
    # Whatever the header says: some encodings that it may name turn bytes into something other than text.
    response.encoding = "utf-8"
    if requested_wait(response.headers, time.time()) is None:
        # The client's own retries fail on a date that they can't read.
        for name in WAITS:
            response.headers.pop(name, None)


def _beginning(response: httpx2.Response, end: float, most: int) -> bytes:
    """Read up to `most` bytes of a body, until `end` on the monotonic clock."""
    stream = response.stream
    assert isinstance(stream, httpx2.SyncByteStream)
    body = bytearray()
    broken: tuple[type[Exception], ...] = () if response.is_success else (httpx2.HTTPError, OSError)
    with contextlib.suppress(*broken):
        for piece in httpx2.Response(200, headers=response.headers, stream=stream).iter_bytes():
            body += piece
            if len(body) > most or time.monotonic() > end:
                break
    with contextlib.suppress(httpx2.HTTPError, OSError):
        stream.close()
    return bytes(body[:most])


class _Body(httpx2.SyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
