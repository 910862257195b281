"""What of a request was said before, with several conversations at once."""

from __future__ import annotations

from typing import Any

from evolve.trial.conversations import MOST, Conversations


def said(*texts: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text} for text in texts]


def test_two_conversations_in_turn_repeat_nothing() -> None:
    known = Conversations()
    for size in range(1, 5):
        for name in "ab":
            messages = said(*(f"{name}{number}" for number in range(size)))
            assert known.common_prefix(messages) == size - 1
            known.add(messages)


def test_empty_fields_make_no_difference() -> None:
    known = Conversations()
    known.add([{"role": "user", "content": "x", "tool_calls": []}])
    assert known.common_prefix(said("x", "y")) == 1


def test_only_the_latest_are_remembered() -> None:
    known = Conversations()
    for number in range(MOST + 1):
        assert known.common_prefix(said(str(number))) == 0
        known.add(said(str(number)))
    assert (known.common_prefix(said("0")), known.common_prefix(said(str(MOST)))) == (0, 1)
