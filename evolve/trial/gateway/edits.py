"""Replace one piece of text in the bytes of a file, so that nothing else of it changes. Pure.

Exported agents have a copy of this module: standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

MAX_FILE = 1_000_000
SHOWN_LINES = 5
MOST_PLACES = 100
# The new content comes as input. The file is replaced at once, by one with the same mode, where that keeps its owner
# and its other names; APART says that it can't. Any other failure changes nothing.
APART = 3
SWAP = """set -f
f=$(readlink -f -- {path}) && [ "$f" -ef {path} ] || f={path}
[ -w "$f" ] || {{ echo "the file is read-only" >&2; exit 4; }}
set -- $(ls -ldn -- "$f")
[ "$2" = 1 ] && [ -O "$f" ] && t=$(mktemp "$(dirname -- "$f")/.edit.XXXXXX" 2>/dev/null) || exit 3
cp -p -- "$f" "$t" && cat > "$t" && [ "$(wc -c < "$t")" -eq {size} ] && mv -f -- "$t" "$f" && exit 0
rm -f -- "$t"
exit 4"""
IN_PLACE = 'cat > {path} && [ "$(wc -c < {path})" -eq {size} ]'
_LONE_END = re.compile(rb"(?<!\r)\n")
_WORD = re.compile(rb"[^ \t\n\r\x0b\f]+")


class Problem(Exception):
    """Why a file can't be read or edited: an HTTP status, a code of one word, and a message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def text_of(path: str, data: bytes) -> str:
    """The text of a file's bytes. Raises Problem unless it is UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        problem = f"{path} is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}"
        raise Problem(400, "not_text", f"{problem}; use a command that reads its encoding") from error


def replaced(path: str, data: bytes, old: str, new: str) -> bytes:
    """The bytes of a file with `old` replaced by `new`, which must be there exactly once.

    In a file whose lines all end with CRLF, line ends of `old` and `new` mean CRLF.

    Args:
        path: How messages name the file.

    Raises:
        Problem: The file is no UTF-8 text or would be too large; `old` is missing, empty, ambiguous or equal to `new`.
    """
    text_of(path, data)
    if b"\0" in data:
        raise Problem(400, "not_text", f"{path} is a binary file: it has zero bytes")
    before, after = (_with_ends_of(data, text.encode()) for text in (old, new))
    if not before or before == after:
        problem = "is empty" if not before else "equals `new`"
        raise Problem(400, "invalid_request", f"`old` {problem}: nothing would change in {path}")
    places = list(islice(_places(data, before), MOST_PLACES))
    if len(places) != 1:
        raise _not_once(path, data, before, places)
    result = data[: places[0]] + after + data[places[0] + len(before) :]
    if len(result) > MAX_FILE:
        raise Problem(413, "too_large", f"{path} would have {len(result)} bytes; a file is at most {MAX_FILE} bytes")
    return result


def _with_ends_of(data: bytes, text: bytes) -> bytes:
    is_crlf = b"\n" in data and not _LONE_END.search(data)
    return _LONE_END.sub(b"\r\n", text) if is_crlf else text


def _places(data: bytes, piece: bytes) -> Iterator[int]:
    """Where the piece begins, also where it overlaps itself."""
    at = data.find(piece)
    while at >= 0:
        yield at
        at = data.find(piece, at + 1)


def _not_once(path: str, data: bytes, piece: bytes, places: list[int]) -> Problem:
    if places:
        lines = ", ".join(str(_line(data, place)) for place in places[:SHOWN_LINES])
        times = str(len(places)) if len(places) < MOST_PLACES else f"at least {MOST_PLACES}"
        more = ", ..." if len(places) > SHOWN_LINES else ""
        problem = f"`old` is {times} times in {path}, at lines {lines}{more}"
        return Problem(400, "ambiguous", f"{problem}; add lines around it until it is there once")
    line = _line_of_words(data, piece)
    hint = f"with other white space it is at line {line}" if line else "read the file again"
    return Problem(400, "no_match", f"`old` is not in {path}; {hint}")


def _line(data: bytes, place: int) -> int:
    return data.count(b"\n", 0, place) + 1


def _line_of_words(data: bytes, piece: bytes) -> int | None:
    """The line at which the words of the piece begin, whatever is between them; None if they are not there."""
    words, wanted = b" ".join(data.split()), b" ".join(piece.split())
    at = words.find(wanted) if wanted else -1
    if at < 0:
        return None
    before = words.count(b" ", 0, at)
    return _line(data, next(islice(_WORD.finditer(data), before, None)).start())
