"""Pieces of text for messages."""

from __future__ import annotations

import pytest

from evolve.core.text import last_line


@pytest.mark.parametrize(
    ("text", "line"),
    [("Traceback:\n  in f\nKeyError: 'x'\n\n", "KeyError: 'x'"), ("one line", "one line"), ("", ""), (" \n\t\n", "")],
)
def test_the_last_line_that_is_not_blank(text: str, line: str) -> None:
    assert last_line(text) == line


def test_a_blank_text_has_the_given_default() -> None:
    assert last_line("\n", default="no detail") == "no detail"
