"""Whether a proposal may be measured at all. Pure: a reason to refuse it, or None."""

from __future__ import annotations

import ast
import fnmatch
import tomllib
from collections.abc import Mapping, Sequence

from evolve.records import FileEdit, Proposal

MAX_TOTAL_CHARS = 200_000
MAX_TOML_LINE = 4_000
SHOWN_CHARS = 120


def refusal(proposal: Proposal, files: Mapping[str, str], evolvable: Sequence[str]) -> str | None:
    """Why this proposal can't become a candidate, in one line; None if it can.

    files: the parent's text files by path; evolvable: glob patterns of the files that may be changed.
    """
    if proposal.note:
        return proposal.note
    if not _changes(proposal, files):
        return "no effect: the patch changes nothing"
    for edit in proposal.edits:
        if problem := _scope_problem(edit, evolvable) or _entry_problem(edit, files):
            return problem
    # Before anything is parsed: that takes hundreds of times the memory of the text.
    after = {**files, **{edit.path: edit.text or "" for edit in proposal.edits}}
    if sum(map(len, after.values())) > MAX_TOTAL_CHARS:
        return f"too large: the scaffold would have more than {MAX_TOTAL_CHARS} characters"
    return next((problem for edit in proposal.edits if (problem := _syntax_problem(edit))), None)


def _changes(proposal: Proposal, files: Mapping[str, str]) -> bool:
    return any(files.get(edit.path) != edit.text for edit in proposal.edits)


def _scope_problem(edit: FileEdit, evolvable: Sequence[str]) -> str | None:
    if edit.path == "scaffold.toml" or not any(fnmatch.fnmatchcase(edit.path, glob) for glob in evolvable):
        return f"out of scope: {shown_path(edit.path)} may not be changed"
    return None


def _entry_problem(edit: FileEdit, files: Mapping[str, str]) -> str | None:
    """A scaffold without its entry point is none: nothing could be measured."""
    entry = tomllib.loads(files.get("scaffold.toml", "")).get("entry")
    return (
        f"out of scope: {shown_path(edit.path)} is the entry point"
        if edit.text is None and edit.path == entry
        else None
    )


def shown_path(path: str) -> str:
    """A path that a model wrote, fit to stand in a line."""
    return path if path.isprintable() and len(path) <= SHOWN_CHARS else ascii(path[:SHOWN_CHARS])


def _syntax_problem(edit: FileEdit) -> str | None:
    if edit.text is None:
        return None
    try:
        if edit.path.endswith(".py"):
            ast.parse(edit.text)
        elif edit.path.endswith(".toml"):
            _parse_toml(edit.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"does not parse: {shown_path(edit.path)}: {_first_line(error)}"
    return None


def _parse_toml(text: str) -> None:
    """Raises ValueError. The parser's memory grows with the square of a dotted key's length."""
    if any(len(line) > MAX_TOML_LINE for line in text.splitlines()):
        raise ValueError(f"a line has more than {MAX_TOML_LINE} characters")
    tomllib.loads(text)


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else "too deeply nested"
