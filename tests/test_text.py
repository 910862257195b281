"""Small helpers for messages."""

from __future__ import annotations

import pytest

from evolve.core.text import last_line


@pytest.mark.parametrize(
    ("text", "line"),
    [("one", "one"), ("one\ntwo\n", "two"), ("one\n\n  two\n \n", "  two"), ("", "none"), (" \n\n", "none")],
)
def test_the_last_line_is_the_last_one_that_is_not_blank(text: str, line: str) -> None:
    assert last_line(text, "none") == line


def test_no_line_is_an_empty_text_by_default() -> None:
    assert last_line("\n") == ""
