"""The smallest request that every model answers."""

from __future__ import annotations

from typing import Any

TINY_TOKENS = 16
TINY_MESSAGE = {"role": "user", "content": "Say OK."}


def tiny_body(model: str) -> dict[str, Any]:
    """The body of the smallest request that every model answers."""
    return {"model": model, "messages": [dict(TINY_MESSAGE)], "max_tokens": TINY_TOKENS}
