"""Check which files a patch may change, and the names of new files."""

from __future__ import annotations

import fnmatch
import sys
from collections import Counter
from collections.abc import Sequence

from evolve.core.records import FileEdit
from evolve.guard.change import Change, printable
from evolve.guard.excluded import foreign_path

DOOR = "evolve_door"
# Python imports these modules by itself when it starts.
STARTING = ("sitecustomize", "usercustomize")


def problem(
    edits: Sequence[FileEdit], change: Change, evolvable: Sequence[str], outside: Sequence[str] = ()
) -> str | None:
    """Return why an edit is not allowed, for the first such edit by path; None if all are."""
    twice = [path for path, count in Counter(edit.path for edit in edits).items() if count > 1]
    if twice:
        return f"out of scope: {printable(min(twice))} is edited twice"
    ordered = sorted(edits, key=lambda edit: edit.path)
    problems = (_edit_problem(edit, change, evolvable, outside) for edit in ordered)
    return next((problem for problem in problems if problem), None)


def _edit_problem(edit: FileEdit, change: Change, evolvable: Sequence[str], outside: Sequence[str]) -> str | None:
    path, shown = edit.path, printable(edit.path)
    if (
        path == "scaffold.toml"
        or _makes_image(path, change)
        or not any(fnmatch.fnmatchcase(path, glob) for glob in evolvable)
    ):
        return f"out of scope: {shown} must not be changed"
    if edit.text is None:
        return f"out of scope: {shown} is the entry point" if path == change.spec.get("entry") else None
    if path in change.before:
        return None
    if path.startswith("/") or "\\" in path or not _is_plain(path, evolvable):
        return f"out of scope: {shown}: paths must be relative to the scaffold, without hidden parts, `.` and `..`"
    if any(path == place or path.startswith(f"{place}/") for place in outside):
        return f"out of scope: {shown} lies where the suite or the results are, which are no part of the scaffold"
    if reason := foreign_path(path, change.after):
        return f"out of scope: {shown} would make {reason} of its folder, which is no part of a scaffold"
    if module := _shadowed_module(path, change.roots):
        return f"out of scope: {shown} would shadow the module `{module}`; use another name"
    return None


def _is_plain(path: str, evolvable: Sequence[str]) -> bool:
    """Whether a path has no empty part, `.` and `..`, and no hidden one but those that a pattern names."""
    parts = path.split("/")
    named = {part for glob in evolvable if fnmatch.fnmatchcase(path, glob) for part in glob.split("/")}
    hidden = [part for part in parts if part.startswith(".")]
    return all(parts) and not {".", ".."} & set(parts) and all(part in named for part in hidden)


def _makes_image(path: str, change: Change) -> bool:
    """Whether a file belongs to the scaffold's own image, which stays the same for a whole run."""
    image = change.spec.get("image")
    table = image if isinstance(image, dict) else {}
    built, requirements = table.get("build"), table.get("requirements")
    folders = (str(file).rpartition("/")[0] for file in (change.spec.get("dockerfile"), built) if file)
    return path in (built, requirements) or any(folder and path.startswith(f"{folder}/") for folder in folders)


def _shadowed_module(path: str, roots: Sequence[str]) -> str | None:
    """Return the module of the image that a new file would shadow."""
    for root in roots:
        if path.startswith(root):
            first, _, rest = path[len(root) :].partition("/")
            name = first.removesuffix(".py") if not rest else first
            if (first.endswith(".py") or rest == "__init__.py") and (
                name in sys.stdlib_module_names or name in (DOOR, *STARTING)
            ):
                return name
    return None
