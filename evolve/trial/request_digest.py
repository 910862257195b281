"""Compare requests of the model: the form in which two of them are the same, and its digest. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

# Fields of a message whose text a client or an endpoint may draw at random.
ID_FIELDS = frozenset({"id", "tool_call_id", "call_id"})
RANDOM_ID = re.compile(
    r"\b(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|(?:chatcmpl|call)[-_](?=[A-Za-z]*\d)[A-Za-z0-9]{8,})\b"
)

# How long tests took, as their runners print it: unittest, pytest, cargo, jest, go.
TEST_TIME = re.compile(
    r"(\bRan \d+ tests? in|\b(?:passed|failed|errors?|warnings?|skipped|deselected|tests ran)\b[^\n]{0,60}? in"
    r"|\bfinished in|\bTime:|\bok\s+\S+)(\s+)\d+(?:\.\d+)? ?m?s\b"
)


def canonical(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request without its seed; in its messages, random ids are replaced by numbers, by first appearance.

    These are the ids of messages, tool calls and their answers, and, in any text, UUIDs and ids such as `chatcmpl-...`
    and `call_...`.
    """
    numbers: dict[str, str] = {}
    kept = {key: value for key, value in request.items() if key != "seed"}
    return {**kept, "messages": _without_ids(request.get("messages"), numbers)}


def digest(request: Mapping[str, Any]) -> str:
    """The sha256 of the canonical request; the order of keys makes no difference."""
    return hashlib.sha256(json.dumps(canonical(request), sort_keys=True).encode()).hexdigest()


def question_digest(request: Mapping[str, Any]) -> str:
    """The sha256 of all that a model reads: the request without its seed and the most tokens of its answer.

    The ids of messages and calls count by first appearance; ids within a text are a part of it. How long tests took,
    as their runners print it, is the machine's noise, and left out.
    """
    kept = {key: value for key, value in request.items() if key not in ("seed", "max_tokens")}
    question = {**kept, "messages": _without_ids(request.get("messages"), {}, in_texts=False)}
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


def _without_ids(value: Any, numbers: dict[str, str], is_id: bool = False, in_texts: bool = True) -> Any:
    """The value with its ids replaced. Keys are visited in sorted order, so that their order does not matter."""
    if isinstance(value, str):
        if is_id:
            return _number(value, numbers)
        return (
            RANDOM_ID.sub(lambda match: _number(match[0], numbers), value)
            if in_texts
            else TEST_TIME.sub(r"\1\2<time>", value)
        )
    if isinstance(value, Mapping):
        return {key: _without_ids(value[key], numbers, key in ID_FIELDS, in_texts) for key in sorted(value)}
    return [_without_ids(item, numbers, False, in_texts) for item in value] if isinstance(value, list) else value


def _number(random_id: str, numbers: dict[str, str]) -> str:
    return numbers.setdefault(random_id, f"<id {len(numbers) + 1}>")
