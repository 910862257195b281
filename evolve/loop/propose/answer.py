"""Parse the arguments of a `propose` call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evolve.core.errors import RequestRefused
from evolve.core.records import FileEdit, Proposal
from evolve.guard import printable
from evolve.loop.propose.brief import Brief

MAX_CHARS = 2_000
MAX_PATCH_CHARS = 1_000_000
MAX_NAMED = 200
# How the note of a proposal begins whose request the endpoint refused.
ENDPOINT_REFUSED = "the model refused: "


class UnusableProposal(Exception):
    """The answer holds no patch that applies; the text says why."""


def refused_by_endpoint(proposal: Proposal, error: RequestRefused) -> Proposal:
    """The last proposal of a conversation that the endpoint refused to continue."""
    return replace(proposal, edits=(), note=refusal_note(error))


def refusal_note(error: Exception) -> str:
    """Why there is no answer of the model, in words that are stored."""
    return clean_text(f"{ENDPOINT_REFUSED}{error}")


def is_refused_by_endpoint(proposal: Proposal) -> bool:
    """Whether the endpoint refused the request for this proposal.

    Without edits a note is in our own words; with edits it may begin with the name of a file, which the model chose.
    """
    return not proposal.edits and proposal.note.startswith(ENDPOINT_REFUSED)


def parse_proposal(text: Any, brief: Brief) -> Proposal:
    """Parse a proposal, without its usage; one that can't be used has a `note` that says why."""
    try:
        return _proposal(text, brief)
    except UnusableProposal as error:
        return Proposal("", "", (), note=str(error))


def _proposal(text: Any, brief: Brief) -> Proposal:
    try:
        arguments = json.loads(text)
        hypothesis, prediction = clean_text(arguments["hypothesis"]), clean_text(arguments["prediction"])
        pairs = [
            (_checked_text(edit["path"]), str(edit["old"]), _checked_text(edit["new"])) for edit in arguments["edits"]
        ]
        fixes, breaks = (predicted_tasks(arguments.get(key), brief.meanings) for key in ("fixes", "may_break"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnusableProposal(
            clean_text(f"the model's proposal is malformed: {type(error).__name__}: {error}")
        ) from error
    if sum(len(path) + len(new) for path, _, new in pairs) > MAX_PATCH_CHARS:
        raise UnusableProposal(f"the patch has more than {MAX_PATCH_CHARS} characters")
    edits, problem = _apply_all(pairs, brief.files)
    return Proposal(hypothesis, prediction, edits, note=problem, fixes=fixes, breaks=breaks)


def _apply_all(pairs: list[tuple[str, str, str]], files: Mapping[str, str]) -> tuple[tuple[FileEdit, ...], str]:
    """Apply edits.

    Returns:
        The files that changed, and what is wrong with the first edit that does not apply, or "".
    """
    after, problem = dict(files), ""
    for path, old, new in pairs:
        try:
            after[path] = _apply(path, after.get(path), old, new)
        except UnusableProposal as error:
            problem = problem or str(error)
    return tuple(FileEdit(path, text) for path, text in after.items() if files.get(path) != text), problem


def predicted_tasks(named: Any, meanings: Mapping[str, Any]) -> tuple[str, ...]:
    """The tasks that a prediction names, by group, label or a trial's reference.

    Unknown names are ignored: a slip in a prediction is no reason to refuse a patch.
    """
    names = named if isinstance(named, list) else [named] if isinstance(named, str) else []
    known = [meanings.get(str(name)) or meanings.get(str(name).partition(".")[0], ()) for name in names[:MAX_NAMED]]
    return tuple(sorted({task for tasks in known for task in tasks}))


def clean_text(value: Any) -> str:
    """A model's text as it is stored: at most MAX_CHARS whole characters, without NUL."""
    return str(value)[:MAX_CHARS].encode("utf-8", "replace").decode().replace("\0", "?")


def _checked_text(value: Any) -> str:
    """Text of a patch, unchanged.

    Raises:
        ValueError: It holds half characters.
    """
    text = str(value)
    text.encode()
    return text


def _apply(path: str, text: str | None, old: str, new: str) -> str:
    if not old:
        return new
    count = 0 if text is None else text.count(old)
    if text is None or count != 1:
        raise UnusableProposal(f"the edit of {printable(path)} does not apply: its `old` text occurs {count} times")
    return text.replace(old, new)
