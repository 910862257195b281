"""Which files a patch may touch, and under which names."""

from __future__ import annotations

import fnmatch
import sys
from collections import Counter
from collections.abc import Sequence

from evolve.core.records import FileEdit
from evolve.guard.change import Change, printable

DOOR = "evolve_door"
# Python runs these by itself at its start.
STARTING = ("sitecustomize", "usercustomize")


def problem(edits: Sequence[FileEdit], change: Change, evolvable: Sequence[str]) -> str | None:
    """The first edit, by path, that may not be made, and why."""
    twice = [path for path, count in Counter(edit.path for edit in edits).items() if count > 1]
    if twice:
        return f"out of scope: {printable(min(twice))} is edited twice"
    ordered = sorted(edits, key=lambda edit: edit.path)
    found = (_edit_problem(edit, change, evolvable) for edit in ordered)
    return next((reason for reason in found if reason), None)


def _edit_problem(edit: FileEdit, change: Change, evolvable: Sequence[str]) -> str | None:
    path, words = edit.path, printable(edit.path)
    if path == "scaffold.toml" or not any(fnmatch.fnmatchcase(path, glob) for glob in evolvable):
        return f"out of scope: {words} may not be changed"
    if edit.text is None:
        return f"out of scope: {words} is the entry point" if path == change.spec.get("entry") else None
    if path in change.before:
        return None
    if path.startswith("/") or "\\" in path or any(part[:1] in ("", ".") for part in path.split("/")):
        return f"out of scope: {words}: paths are relative to the scaffold, without hidden parts, `.` and `..`"
    if module := _shadowed(path, change.roots):
        return f"out of scope: {words} would stand before the module `{module}`; give it another name"
    return None


def _shadowed(path: str, roots: Sequence[str]) -> str | None:
    """The module of the image that a new file would be imported in place of."""
    for root in roots:
        if path.startswith(root):
            first, _, rest = path[len(root) :].partition("/")
            name = first.removesuffix(".py") if not rest else first
            if (first.endswith(".py") or rest == "__init__.py") and (
                name in sys.stdlib_module_names or name in (DOOR, *STARTING)
            ):
                return name
    return None
