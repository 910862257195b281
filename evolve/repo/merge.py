"""Apply the change between two scaffolds to a third one: merge a patch, or undo one below later patches."""

from __future__ import annotations

from collections.abc import Mapping

from evolve.core.records import FileEdit
from evolve.host.temporary import temporary_folder
from evolve.repo.shell import GitShell

Files = Mapping[str, str | bytes]
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
    with temporary_folder("merge") as place:
        paths = [place / side for side in ("now", "base", "other")]
        for path, text in zip(paths, (now, base, other), strict=True):
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        answer = shell.ask("merge-file", "-p", "-q", *map(str, paths))
    if not 0 <= answer.status <= MOST_CONFLICTS:
        raise shell.failure("git merge-file failed", answer)
    return answer.out.decode("utf-8", "surrogateescape") if answer.status == 0 else None
