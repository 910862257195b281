"""Keys in texts: found in parts and masked, in little time whatever the text."""

from __future__ import annotations

import re
import time

from hypothesis import example, given
from hypothesis import strategies as st

from evolve.core.secrets import _WORD, MaskedWord, _masked_words, without_secrets

KEY = "sk-proj-abcdefghij0123456789XYZ"
# The definition of a masked word, whose search takes quadratic time in long words.
SLOW = re.compile(rf"({_WORD}?)(?:[*•·]{{2,}}|[xX]{{4,}}|\.{{3}}|…)({_WORD})")


@given(st.text("ab*•x.… =\n", max_size=40))
@example("a**b**c ..... xxxxx=xxxx")
def test_masked_words_are_those_of_their_definition(text: str) -> None:
    found = [MaskedWord(match.start(), match.end(), match[1], match[2]) for match in SLOW.finditer(text)]
    assert list(_masked_words(text)) == found


@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 15), st.integers(8, 31))
def test_parts_of_a_key_are_hidden_and_the_rest_stays(left: str, right: str, start: int, size: int) -> None:
    shown = without_secrets(f"{left}\n{KEY[start : start + size]}\n{right}", [KEY])
    assert KEY[start : start + 8] not in shown
    assert without_secrets(left, [KEY]) == left if not set(left) & set(f"{KEY}*•·….") else True


def test_long_words_and_many_masks_take_little_time() -> None:
    started = time.process_time()
    for text in ("a" * 2_000_000, "a*" * 1_000_000, "a** " * 500_000, "a" * 1_000_000 + "***" + "b" * 1_000_000):
        assert without_secrets(text, [KEY, "another-secret-value"]) == text
    assert time.process_time() - started < 10


def test_a_masked_key_in_a_long_text_is_hidden() -> None:
    text = "x1 " * 100_000
    assert without_secrets(f"{text}sk-pr***XYZ. {text}", [KEY]) == f"{text}[key]. {text}"
