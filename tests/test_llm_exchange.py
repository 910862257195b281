"""Reading an answer: what a server has compressed is decompressed once, and what can't be is the endpoint's fault."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterable

import httpx2
import openai
import pytest

from evolve.llm.exchange import read_completion

BODY = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
ANSWER = {
    **BODY,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
}


def response(content: bytes) -> httpx2.Response:
    # Servers send header values that are not ASCII, too.
    headers = [(b"content-type", b"text/event-stream"), (b"Content-Encoding", b"gzip"), (b"set-cookie", b"=;\xff")]
    request = httpx2.Request("POST", "http://x")
    return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(content), request=request)


def read(content: bytes) -> tuple[list[bytes], dict[str, object]]:
    seen: list[bytes] = []

    def events(got: httpx2.Response) -> Iterable[bytes]:
        seen.append(b"".join(got.iter_bytes()))
        return seen

    answer = read_completion(response(content), time.monotonic() + 10, events, lambda got, _: got, lambda *_: ANSWER)
    return seen, answer


def test_a_compressed_stream_is_decompressed_once() -> None:
    seen, answer = read(gzip.compress(b"data: {}\n\n"))
    assert seen == [b"data: {}\n\n"]
    assert answer["choices"][0]["message"]["content"] == "hello"  # type: ignore[index]


def test_what_only_claims_to_be_compressed_is_no_answer() -> None:
    with pytest.raises(openai.APIConnectionError):
        read(b"data: {}\n\n")
