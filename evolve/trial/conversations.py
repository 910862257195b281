"""The conversations of a trial, of which several may go on at once: what of a request was said before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evolve.llm.foreign_json import parse_exactly
from evolve.llm.parts import without_cache_marks
from evolve.llm.reasoning import FIELDS

# How many conversations are remembered: those that went on last.
MOST = 8


class Conversations:
    """The messages of each conversation so far, the latest first."""

    def __init__(self) -> None:
        self._latest: list[Sequence[Any]] = []
        self._continued: Sequence[Any] | None = None

    def common_prefix(self, messages: Sequence[Any]) -> int:
        """The number of leading messages that the request shares with the conversation that it continues."""
        best = 0
        self._continued = None
        for known in self._latest:
            if (count := _common_prefix(known, messages)) > best:
                best, self._continued = count, known
        return best

    def add(self, messages: Sequence[Any]) -> None:
        """Remember a conversation, in place of the one that the last request continued."""
        kept = [known for known in self._latest if known is not self._continued]
        self._latest = [messages, *kept][:MOST]


def _common_prefix(old: Sequence[Any], new: Sequence[Any]) -> int:
    """The number of leading messages that both lists share."""
    count = 0
    for before, after in zip(old, new, strict=False):
        if before != after and _essence(before) != _essence(after):
            break
        count += 1
    return count


def _essence(message: Any) -> Any:
    """The message without what clients and protocols add, drop and spell anew.

    These are empty fields, marks for a cache, reasoning, and the white space in the arguments of calls.
    """
    if not isinstance(message, Mapping):
        return message
    kept = {key: value for key, value in without_cache_marks(message).items() if value not in (None, [], "")}
    if isinstance(calls := kept.get("tool_calls"), list):
        kept["tool_calls"] = [_essence_of_call(call) for call in calls]
    return {key: value for key, value in kept.items() if key not in FIELDS}


def _essence_of_call(call: Any) -> Any:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(text := function.get("arguments"), str):
        return call
    try:
        arguments = parse_exactly(text)
    except ValueError:
        return call
    return {**call, "function": {**function, "arguments": arguments}}
