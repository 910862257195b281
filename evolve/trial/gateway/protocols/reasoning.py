"""A model's reasoning on its way through another protocol: a visible text, and one that only we can read.

Both protocols have a field whose content the client passes back unread (encrypted reasoning, a signature). It holds
those fields of the chat message that the visible text does not tell, so that a message that comes back unchanged is the
model's very message again. It is no secret, and what comes back may be forged: it says no more than the fields would
that an agent may send with chat completions.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from evolve.llm.reasoning import FIELDS
from evolve.trial.gateway.wire import Refusal, parse_body

TEXTS = ("reasoning_content", "reasoning")
MARK = "evolve"


def visible_reasoning(message: Mapping[str, Any]) -> str:
    """Return what a client may show of a message's reasoning; "" if there is nothing."""
    return next((message[name] for name in TEXTS if isinstance(message.get(name), str) and message[name]), "")


def sealed_reasoning(message: Mapping[str, Any]) -> str:
    """Return what the client passes back beside the visible reasoning; "" if the message has no reasoning."""
    shown = visible_reasoning(message)
    kept = {name: message[name] for name in FIELDS if message.get(name)}
    if not kept:
        return ""
    # A null stands for the visible text.
    fields = {name: None if value == shown else value for name, value in kept.items()}
    return base64.b64encode(json.dumps({MARK: fields}).encode()).decode("ascii")


def restored_reasoning(sealed: Any, shown: str) -> dict[str, Any]:
    """Return the fields of a chat message that hold this reasoning.

    Args:
        sealed: What came back from the client. If it is not ours, only the visible text is left.
        shown: The visible text that came with it.
    """
    fields = _opened(sealed)
    if fields is None:
        return {TEXTS[0]: shown} if shown else {}
    values = {name: shown if fields[name] is None else fields[name] for name in FIELDS if name in fields}
    return {name: value for name, value in values.items() if value}


def _opened(sealed: Any) -> Mapping[str, Any] | None:
    """Return the fields in a text that came back; None if it is none of ours."""
    if not isinstance(sealed, str):
        return None
    try:
        fields = parse_body(base64.b64decode(sealed, validate=True)).get(MARK)
    except (binascii.Error, ValueError, Refusal):
        return None
    return fields if isinstance(fields, Mapping) else None
