"""Which patches are the same idea."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.analysis.ideas import Idea, count_repeated, idea, same_idea
from evolve.core.records import FileEdit

BEFORE = {
    "main.py": "def solve():\n    for step in range(30):\n        answer = ask()\n        run(answer)\n",
    "settings.toml": "steps = 30\n",
}


def of(hypothesis: str, old: str, new: str, path: str = "main.py") -> Idea:
    return idea(hypothesis, [FileEdit(path, BEFORE[path].replace(old, new))], BEFORE)


RETRY = of("Malformed calls end the trial: try again", "run(answer)", "retry(answer, times=3)")


def test_the_same_change_for_another_reason_is_the_same() -> None:
    assert same_idea(RETRY, of("Be stubborn", "run(answer)", "retry(answer, times=3)"))


def test_spaces_case_and_comments_are_ignored() -> None:
    assert same_idea(RETRY, of("Be stubborn", "run(answer)", "retry( answer,  times = 3 )  # at last"))


def test_a_similar_change_for_a_similar_reason_is_the_same() -> None:
    other = of("A malformed call ended the trial, so tries it again", "answer = ask()", "answer = retry(ask, times=3)")
    assert same_idea(
        of("Malformed calls end the trial: try again", "answer = ask()", "answer = retry(ask(), times=3)"), other
    )


def test_the_same_reason_for_another_change_is_another_idea() -> None:
    assert not same_idea(
        RETRY, of("Malformed calls end the trial: try again", "answer = ask()", "answer = ask() or NOTHING")
    )


@pytest.mark.parametrize(
    ("amount", "alike"), [("41", True), ("35", True), ("50", True), ("51", False), ("34", False), ("20", False)]
)
def test_similar_amounts_are_the_same_idea_and_others_are_not(amount: str, alike: bool) -> None:
    more, other = (of(words, "30", new, "settings.toml") for words, new in (("More steps", "40"), ("Go on", amount)))
    assert same_idea(more, other) is same_idea(other, more) is alike


def test_a_changed_word_is_more_than_an_amount() -> None:
    assert of("Other steps", "steps = 30", "moves = 40", "settings.toml").amounts == {}
    assert of("More steps", "30", "40", "settings.toml").amounts == {"settings.toml steps=# 0": 10.0}


def test_a_deleted_file_is_a_change() -> None:
    gone = idea("Away with it", [FileEdit("settings.toml", None)], BEFORE)
    assert gone.lines == {"-settings.toml steps=30"}


def test_an_empty_patch_has_no_idea() -> None:
    nothing = idea("", [], BEFORE)
    assert not same_idea(nothing, nothing)


texts = st.text("ab \n", max_size=20)


@given(texts, texts, texts)
def test_sameness_is_symmetric_and_reflexive(before: str, one: str, two: str) -> None:
    first, second = (idea("why", [FileEdit("f", text)], {"f": before}) for text in (one, two))
    assert same_idea(first, second) is same_idea(second, first)
    assert same_idea(first, first) is bool(first.lines)


def test_each_repetition_of_an_idea_is_counted() -> None:
    one, other = (Idea(frozenset({f"+main.py {word}"}), frozenset(), frozenset(), {}) for word in ("a", "b"))
    assert [count_repeated(some) for some in ([], [one, other], [one, other, one], [one, one, one])] == [0, 0, 1, 2]
