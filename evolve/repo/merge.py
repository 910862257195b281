"""Apply the change between two scaffolds to a third one: merge a patch, or undo one below later patches."""

from __future__ import annotations

from collections.abc import Mapping

from evolve.core.records import FileEdit
from evolve.host.temporary import temporary_folder
from evolve.repo.shell import GitShell

Files = Mapping[str, str | bytes]
# Git mode and bytes of a file; None if there is none.
Side = tuple[str, bytes] | None
REGULAR = ("100644", "100755")
MOST_CONFLICTS = 127


def transplanted_edits(shell: GitShell, tip: Files, old: Files, new: Files) -> tuple[FileEdit, ...] | None:
    """Return the edits that apply the change `old` to `new` to `tip` (all: files by path); None if they conflict."""
    edits = []
    for path in sorted(path for path in {*old, *new} if old.get(path) != new.get(path)):
        sides = [files.get(path) for files in (tip, old, new)]
        if any(isinstance(side, bytes) for side in sides):
            return None
        now, base, other = (None if side is None else str(side) for side in sides)
        if now == base:
            edits.append(FileEdit(path, other))
        elif now is None or base is None or other is None or (text := _merged(shell, now, base, other)) is None:
            return None
        elif text != now:
            edits.append(FileEdit(path, text))
    return tuple(edits)


def _merged(shell: GitShell, now: str, base: str, other: str) -> str | None:
    """Merge the changes from `base` to `now` and to `other`; None if they conflict."""
    merged = merged_bytes(shell, *(text.encode("utf-8", "surrogateescape") for text in (now, base, other)))
    return None if merged is None else merged.decode("utf-8", "surrogateescape")


def merged_bytes(shell: GitShell, now: bytes, base: bytes, other: bytes) -> bytes | None:
    """Merge the changes from `base` to `now` and to `other`; None if they conflict, or git takes a file for binary."""
    with temporary_folder("merge") as place:
        paths = [place / side for side in ("now", "base", "other")]
        for path, content in zip(paths, (now, base, other), strict=True):
            path.write_bytes(content)
        answer = shell.ask("merge-file", "-p", "-q", *map(str, paths))
    if "Cannot merge binary files" in answer.error:
        return None
    if not 0 <= answer.status <= MOST_CONFLICTS:
        raise shell.failure("git merge-file failed", answer)
    return answer.out if answer.status == 0 else None


class Conflict(Exception):
    """A file that was changed on both sides in a way that git can't unite."""


def merged_file(shell: GitShell, ours: Side, base: Side, theirs: Side) -> Side:
    """Apply the change of one file from `base` to `theirs` to `ours`. Raises Conflict.

    Where `ours` has other line ends than `base` throughout, as git's settings may make them, `ours` keeps its own.
    """
    if ours is not None and ours[0] not in REGULAR:
        raise Conflict
    base, theirs = (_with_ends_of(ours, base, side) for side in (base, theirs))
    if ours == theirs:
        return ours
    if ours is None or base is None or theirs is None:
        return _taken(ours, base, theirs)
    mode = theirs[0] if theirs[0] != base[0] else ours[0]
    if ours[1] in (base[1], theirs[1]):
        return mode, theirs[1]
    content = ours[1] if base[1] == theirs[1] else merged_bytes(shell, ours[1], base[1], theirs[1])
    if content is None:
        raise Conflict
    return mode, content


def _taken(ours: Side, base: Side, theirs: Side) -> Side:
    """The new side of a file that one of the three lacks."""
    same = ours == base or (ours is not None and base is not None and ours[1] == base[1])
    if not same:
        raise Conflict
    return theirs


def _with_ends_of(ours: Side, base: Side, side: Side) -> Side:
    if ours is None or base is None or side is None:
        return side
    wanted, known = _line_end(ours[1]), _line_end(base[1])
    if wanted is None or known is None or wanted == known:
        return side
    return side[0], side[1].replace(b"\r\n", b"\n").replace(b"\n", wanted)


def _line_end(content: bytes) -> bytes | None:
    """The line end of every line; None if there is no line, several kinds, or a binary file."""
    lines, carried = content.count(b"\n"), content.count(b"\r\n")
    if not lines or b"\0" in content or carried not in (0, lines):
        return None
    return b"\r\n" if carried else b"\n"
