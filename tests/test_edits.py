"""Replacing a text in a file's bytes: nothing else changes, whatever the file holds."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evolve.trial.gateway.edits import Problem, replaced

TEXT = st.text(st.sampled_from("ab \t\n\réü€😀\u2028"), max_size=12)


def outcome(data: bytes, old: str, new: str) -> bytes | str:
    """The new bytes, or the code of the refusal."""
    try:
        return replaced("f", data, old, new)
    except Problem as problem:
        return problem.code


def times(data: bytes, piece: bytes) -> int:
    return sum(data.startswith(piece, at) for at in range(len(data)))


@given(TEXT, TEXT, TEXT, TEXT)
def test_only_the_piece_changes(before: str, piece: str, after: str, new: str) -> None:
    data = (before + piece + after).encode()
    assume(piece != new and piece and not (b"\n" in data and data.count(b"\n") == data.count(b"\r\n")))
    is_once = times(data, piece.encode()) == 1
    assert outcome(data, piece, new) == ((before + new + after).encode() if is_once else "ambiguous")


@given(st.lists(st.text(st.sampled_from("ab é"), max_size=4), min_size=2, max_size=6), st.data())
def test_line_ends_of_a_crlf_file_stay(lines: list[str], data: st.DataObject) -> None:
    content = "\r\n".join(lines).encode()
    start = data.draw(st.integers(0, len(lines) - 1))
    end = data.draw(st.integers(start + 1, len(lines)))
    old = "\r\n".join(lines[start:end]).encode()
    assume(times(content, old) == 1)
    result = outcome(content, "\n".join(lines[start:end]), "new\nlines")
    assert result == "\r\n".join([*lines[:start], "new", "lines", *lines[end:]]).encode()


@pytest.mark.parametrize(
    ("data", "old", "new", "result"),
    [
        (b"a\r\nb\r\n", "a\nb", "c\nd", b"c\r\nd\r\n"),
        (b"a\r\nb\r\n", "a\r\nb", "c\r\nd", b"c\r\nd\r\n"),
        (b"a\r\nb\n", "b", "c\nd", b"a\r\nc\nd\n"),
        (b"\xef\xbb\xbfa", "a", "b", b"\xef\xbb\xbfb"),
        (b"end", "end", "end\n", b"end\n"),
        (b"x\\1y", "\\1", "\\g<0>", b"x\\g<0>y"),
    ],
)
def test_replacements(data: bytes, old: str, new: str, result: bytes) -> None:
    assert replaced("f", data, old, new) == result


@pytest.mark.parametrize(
    ("data", "old", "code"),
    [
        (b"a" * 1_000_000, "a" * 500_000, "ambiguous"),
        (b"a" * 1_000_000, "a" * 500_000 + "b", "no_match"),
        (b"a " * 500_000, "a " * 250_000 + "b", "no_match"),
        (b"a\n" * 500_000, "a " * 250_000, "no_match"),
        (b"a\r\n" * 300_000, "a\n" * 150_000, "ambiguous"),
    ],
)
def test_no_text_takes_long(data: bytes, old: str, code: str) -> None:
    started = time.process_time()
    assert outcome(data, old, "new") == code
    assert time.process_time() - started < 5
