"""The tokens of images: by their pixels, as providers count them, and never by their bytes."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.records import ModelSpec
from evolve.llm import estimate_prompt_tokens, fit_to_window
from evolve.llm.estimates import most_prompt_tokens
from evolve.llm.images import (
    DEAR_FACTOR,
    LOW_DETAIL_TOKENS,
    MOST_TOKENS,
    UNKNOWN_TOKENS,
    image_size,
    image_tokens,
    most_image_tokens,
)


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b";"


def jpeg(width: int, height: int) -> bytes:
    """With a thumbnail's segment, a filled marker and a table before the frame's header."""
    thumbnail = b"\xff\xe1" + struct.pack(">H", 60_000) + b"\xff\xc0" * 29_999
    table = b"\xff\xff\xdb" + struct.pack(">H", 4) + b"\x00\x00"
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + thumbnail + table + frame + b"\xff\xda"


def webp(kind: bytes, head: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + 8 + len(head)) + b"WEBP" + kind + struct.pack("<I", len(head)) + head


def webp_lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width, height))


def webp_lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14))


def webp_extended(width: int, height: int) -> bytes:
    return webp(b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def part(data: bytes | str, **more: Any) -> dict[str, Any]:
    url = data if isinstance(data, str) else f"data:image/x;base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url, **more}}


FORMATS = (png, gif, jpeg, webp_lossy, webp_lossless, webp_extended)


@pytest.mark.parametrize("encode", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (3000, 2001), (16_000, 3)])
def test_the_size_is_read_from_the_header(encode: Any, size: tuple[int, int]) -> None:
    assert image_size(part(encode(*size))) == size
    assert image_size({"type": "image_url", "image_url": part(encode(*size))["image_url"]["url"]}) == size


@pytest.mark.parametrize(
    "data",
    [
        "", "data:", "data:image/png;base64,", "data:image/png;base64,@@@@", "data:image/png;base64,iVBORw0KGgo",
        "data:image/png,text", "https://example.org/a.png", b"BM no such format", png(0, 0), png(5, 9)[:18],
        jpeg(7, 7)[:60_000], "data:image/png;base64,ü",
    ],
)  # fmt: skip
def test_an_image_of_unknown_size_counts_as_a_large_one(data: bytes | str) -> None:
    assert image_size(part(data)) is None
    assert image_tokens(part(data)) == UNKNOWN_TOKENS and most_image_tokens(part(data), "m") == MOST_TOKENS


@pytest.mark.parametrize("reference", [None, 7, [], {}, {"url": None}, {"url": 7}])
def test_a_part_without_an_address_is_an_image_of_unknown_size(reference: Any) -> None:
    assert image_tokens({"type": "image_url", "image_url": reference}) == UNKNOWN_TOKENS


# The sizes and counts of OpenAI's guide, and an image that patches count higher than squares.
@pytest.mark.parametrize(
    ("size", "tokens"), [((2048, 4096), 1536), ((1024, 1024), 1024), ((512, 512), 256), ((1, 1), 255)]
)
def test_an_image_counts_by_its_pixels(size: tuple[int, int], tokens: int) -> None:
    assert image_tokens(part(png(*size))) == tokens
    assert image_tokens(part(png(*size), detail="low")) == LOW_DETAIL_TOKENS


def test_a_large_file_does_not_fill_the_window() -> None:
    photo = part(jpeg(800, 600) + bytes(1_000_000))
    body = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, photo]}],
        "max_tokens": 500,
    }
    assert 475 < estimate_prompt_tokens(body) < 800
    assert most_prompt_tokens(body, "m") < 4000
    assert fit_to_window(body, ModelSpec("m", context_tokens=8192)) == body


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_no_provider_counts_more_than_is_reserved(width: int, height: int) -> None:
    image = part(gif(min(width, 65_535), min(height, 65_535)))
    most = most_image_tokens(image, "m")
    assert image_tokens(image) <= most <= MOST_TOKENS
    # Anthropic's rule, for images that it does not scale down.
    assert max(width, height) > 1568 or most >= width * height / 750
    assert most_image_tokens(image, "gpt-4o-mini-2024-07-18") == DEAR_FACTOR * most


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((16, 16), 1120),
        ((1024, 1024), 64 * 65),
        ((800, 600), 50 * 38 + 38),
        ((3072, 384), 24 * 258),
        ((385, 385), 1120),
    ],
)
def test_the_highest_count_of_any_provider_is_reserved(size: tuple[int, int], tokens: int) -> None:
    assert most_image_tokens(part(png(*size)), "m") >= tokens


def test_text_beside_an_image_counts_as_text() -> None:
    hidden = {**part(png(9, 9), note="7" * 50_000), "text": "7" * 50_000}
    body = {"messages": [{"role": "user", "content": [hidden]}]}
    assert most_prompt_tokens(body, "m") > 100_000 and estimate_prompt_tokens(body) > 25_000


@given(st.sampled_from(FORMATS), st.integers(0, 80), st.binary(max_size=40))
def test_any_bytes_are_read_without_an_error(encode: Any, keep: int, rest: bytes) -> None:
    size = image_size(part(encode(300, 200)[:keep] + rest))
    assert size is None or min(size) > 0
