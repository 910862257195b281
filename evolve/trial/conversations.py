"""The conversations of a trial, of which several may go on at once: what of a request was said before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
        if _without_empty(before) != _without_empty(after):
            break
        count += 1
    return count


def _without_empty(message: Any) -> Any:
    """The message without empty fields, which clients add and drop."""
    if not isinstance(message, Mapping):
        return message
    return {key: value for key, value in message.items() if value not in (None, [], "")}
