"""The event of a recording that says what an agent changed in its working directory. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evolve.sandbox.working_files import WorkingChanges, WorkingFile

# The kind of the event; those of the gateway are requests.
STATE = "state"
# Of a file's text in the event, and of all texts together.
TEXT_BYTES, ALL_BYTES = 4_000, 60_000
MAX_LISTED = 200
SHOWN = 40


def state_event(changes: WorkingChanges) -> dict[str, Any]:
    """The event: each changed file with its path, what happened to it, and its text or its size and digest.

    unlisted: how many more there are; partial: true if not all files could be read.
    """
    paths = sorted(changes.before.keys() | changes.after.keys())
    rows, left = [], ALL_BYTES
    for path in paths[:MAX_LISTED]:
        file = changes.after.get(path)
        row: dict[str, Any] = {"path": path, "change": _kind(changes, path)}
        if file is not None:
            row |= _content(file, left)
            left -= len(str(row.get("text", "")))
        rows.append(row)
    more = {"unlisted": len(paths) - MAX_LISTED} if len(paths) > MAX_LISTED else {}
    return {"kind": STATE, "changes": rows, **more, **({} if changes.is_complete else {"partial": True})}


def _kind(changes: WorkingChanges, path: str) -> str:
    if path not in changes.after:
        return "deleted"
    return "modified" if path in changes.before else "added"


def _content(file: WorkingFile, left: int) -> dict[str, Any]:
    if file.size <= min(TEXT_BYTES, left):
        try:
            return {"text": file.data.decode()}
        except UnicodeDecodeError:
            pass
    return {"size": file.size, "sha256": file.sha256}


def describe_changes(event: Mapping[str, Any]) -> str:
    """What changed, one file a line, for whoever reads the trajectory."""
    rows = event["changes"]
    lines = [f"{row['change']} {row['path']}" for row in rows[:SHOWN]]
    more = len(rows) - SHOWN + int(event.get("unlisted", 0))
    if more > 0:
        lines.append(f"and {more} more")
    return "\n".join(["files changed in the working directory:", *lines]) if lines else "no file changed"
