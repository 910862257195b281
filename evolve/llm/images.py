"""How many tokens an image counts as. Providers count its pixels, not its bytes.

OpenAI counts either squares of 512 pixels after scaling (85 tokens and 170 for each square) or patches of 32 pixels, at
most 1,536 and up to 2.46 tokens each (platform.openai.com/docs/guides/images-vision). Qwen counts patches of 28 pixels,
at most 16,384 (its model cards), and Anthropic a 750th of the pixels (its vision guide). Pixtral counts patches of 16
pixels and a mark for each row, of at most 1,024 pixels a side (its processor's configuration). Gemini counts 258 tokens
for each square of 256 to 768 pixels, of at most 3,072 a side, or 1,120 for an image of any size
(ai.google.dev/gemini-api/docs/tokens).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any

Size = tuple[int, int]

# Of a data URL, so much is decoded: the size may follow a JPEG's embedded thumbnails.
HEAD_CHARS = 262_144
LOW_DETAIL_TOKENS = 85
SQUARE_TOKENS = 170
# For an image whose size can't be read: one that an endpoint scales down to its limit.
UNKNOWN_TOKENS = 1536
MOST_PATCHES = 1536
TOKENS_PER_PATCH = 2.46
MOST_TOKENS = 16_384
# Of Pixtral: 64 rows of 64 patches and a mark. Of Gemini: an image of 3,072 x 384 pixels has the most squares.
MOST_SMALL_PATCHES = 64 * 65
SQUARE_OF_GEMINI, MOST_SQUARES, LEAST_OF_GEMINI = 258, 24, 1120
# gpt-4o-mini counts an image as so many times the tokens of gpt-4o.
DEAR_MODEL, DEAR_FACTOR = "gpt-4o-mini", 34
# Markers of a JPEG's frame, whose header holds the size.
FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def image_tokens(part: Mapping[str, Any]) -> int:
    """Estimate the tokens of one part of a message that is an image."""
    if _reference(part).get("detail") == "low":
        return LOW_DETAIL_TOKENS
    if (size := image_size(part)) is None:
        return UNKNOWN_TOKENS
    return max(_square_tokens(size), min(_patches(size, 32), MOST_PATCHES))


def most_image_tokens(part: Mapping[str, Any], model: str) -> int:
    """The most tokens that a provider counts for an image. model: the model's name."""
    size = image_size(part)
    if size is None:
        tokens = MOST_TOKENS
    else:
        scaled = math.ceil(min(_patches(size, 32), MOST_PATCHES) * TOKENS_PER_PATCH)
        tokens = max(_square_tokens(size), scaled, min(_patches(size, 28), MOST_TOKENS), _most_by_others(size))
    return tokens * (DEAR_FACTOR if DEAR_MODEL in model else 1)


def _most_by_others(size: Size) -> int:
    """The most tokens by the rules of Pixtral and Gemini."""
    by_pixtral = min(_patches(size, 16) + -(-size[1] // 16), MOST_SMALL_PATCHES)
    side = min(max(int(min(size) / 1.5), 256), 768)
    return max(by_pixtral, SQUARE_OF_GEMINI * min(_patches(size, side), MOST_SQUARES), LEAST_OF_GEMINI)


def is_image(part: Any) -> bool:
    """Whether a part of a message's content is an image."""
    return isinstance(part, Mapping) and part.get("type") == "image_url"


def image_size(part: Mapping[str, Any]) -> Size | None:
    """Read width and height in pixels from the image's own header; None if it has none that is known."""
    url = _reference(part).get("url")
    head, comma, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    try:
        content = base64.b64decode(data[: HEAD_CHARS & ~3])
    except ValueError:
        return None
    return next((size for size in _sizes(content) if min(size) > 0), None)


def _reference(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a part says about its image: some clients give the address alone."""
    reference = part.get("image_url")
    return reference if isinstance(reference, Mapping) else {"url": reference}


def _square_tokens(size: Size) -> int:
    """Tokens by squares: scaled to fit into 2,048 pixels, then down to 768 for the shorter side."""
    scale = min(1.0, 2048 / max(size), 768 / min(size))
    across, down = (max(1, math.ceil(side * scale / 512)) for side in size)
    return LOW_DETAIL_TOKENS + SQUARE_TOKENS * across * down


def _patches(size: Size, side: int) -> int:
    return -(-size[0] // side) * -(-size[1] // side)


def _sizes(data: bytes) -> Iterator[Size]:
    """The size by each format that the bytes look like: PNG, GIF, WebP, JPEG. Bytes that are missing count as zero."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        yield _big(data, 16, 4), _big(data, 20, 4)
    elif data.startswith((b"GIF87a", b"GIF89a")):
        yield _little(data, 6, 2), _little(data, 8, 2)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        yield from _webp_sizes(data)
    elif data.startswith(b"\xff\xd8"):
        yield from _jpeg_sizes(data)


def _webp_sizes(data: bytes) -> Iterator[Size]:
    kind = data[12:16]
    if kind == b"VP8 ":
        yield _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF
    elif kind == b"VP8L":
        bits = _little(data, 21, 4)
        yield (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8X":
        yield _little(data, 24, 3) + 1, _little(data, 27, 3) + 1


def _jpeg_sizes(data: bytes) -> Iterator[Size]:
    """Follow the segments up to the frame's header."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] in FRAMES:
            yield _big(data, at + 7, 2), _big(data, at + 5, 2)
            return
        # Bytes 0xFF may fill up before a marker, and some markers have no segment.
        filler = data[at + 1] == 0xFF
        alone = data[at + 1] == 0x01 or 0xD0 <= data[at + 1] <= 0xD8
        at += 1 if filler else 2 if alone else 2 + max(_big(data, at + 2, 2), 2)


def _big(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
