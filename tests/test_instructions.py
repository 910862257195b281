"""Instructions are shown without the marks of data sets at their start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.suite.instructions import strip_canary


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Do it.\n", "Do it.\n"),
        ("\n \nDo it.\n", "Do it.\n"),
        ("<!-- CANARY string 1 -->\nDo it.\n", "Do it.\n"),
        ("# canary\n  <!-- a canary b -->\n\n \n  Do it.\n", "  Do it.\n"),
        ("# Title\n# canary\n", "# Title\n# canary\n"),
        ("Do it.\n# canary\n", "Do it.\n# canary\n"),
        ("# canary\n", ""),
        ("# canary", ""),
    ],
)
def test_only_comments_at_the_start_are_left_out(text: str, shown: str) -> None:
    assert strip_canary(text) == shown


@given(st.text(alphabet="#<!-> canry\n", max_size=60))
def test_what_is_left_is_the_end_of_the_text(text: str) -> None:
    shown = strip_canary(text)
    assert text.endswith(shown) and strip_canary(shown) in (shown, "")
