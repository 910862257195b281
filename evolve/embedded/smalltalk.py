"""Answer the simple questions by which an endpoint is checked: sums, and sentences to repeat."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evolve.embedded.knobs import Knobs
from evolve.embedded.messages import text_of

_SUM = re.compile(r"What is (\d{1,6}) \+ (\d{1,6})\?")
_REPEAT = re.compile(r"Repeat this sentence and write nothing else: (.+)")


def is_small_talk(body: Mapping[str, Any]) -> bool:
    """Whether a request is one question of a kind that `small_talk` can answer."""
    return _answer(body) is not None


def small_talk(body: Mapping[str, Any], knobs: Knobs) -> dict[str, Any]:
    """Answer the question. Returns the assistant's message."""
    return {"role": "assistant", "content": _answer(body) or ""}


def _answer(body: Mapping[str, Any]) -> str | None:
    messages = body["messages"]
    if len(messages) != 1 or messages[0]["role"] != "user":
        return None
    text = text_of(messages[0].get("content"))
    if asked := _SUM.match(text):
        return str(int(asked[1]) + int(asked[2]))
    asked = _REPEAT.fullmatch(text)
    return asked[1] if asked else None
