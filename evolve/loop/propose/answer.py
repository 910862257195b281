"""From the arguments of a `propose` call to a proposal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evolve.core.records import FileEdit, Proposal
from evolve.guard import printable
from evolve.loop.propose.brief import Brief

MAX_WORDS = 2_000
MAX_PATCH_CHARS = 1_000_000
MAX_NAMED = 200


class Unusable(Exception):
    """The model's answer holds no patch that applies; the text says why."""


def proposed(text: Any, brief: Brief) -> Proposal:
    """A proposal without its usage; one that can't be used has a `note` that says why."""
    try:
        return _proposal(text, brief)
    except Unusable as error:
        return Proposal("", "", (), note=str(error))


def _proposal(text: Any, brief: Brief) -> Proposal:
    try:
        arguments = json.loads(text)
        hypothesis, prediction = words(arguments["hypothesis"]), words(arguments["prediction"])
        pairs = [(_sound(edit["path"]), str(edit["old"]), _sound(edit["new"])) for edit in arguments["edits"]]
        fixes, breaks = (meant(arguments.get(key), brief.meanings) for key in ("fixes", "may_break"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unusable(words(f"the model's proposal is malformed: {type(error).__name__}: {error}")) from error
    if sum(len(path) + len(new) for path, _, new in pairs) > MAX_PATCH_CHARS:
        raise Unusable(f"the patch has more than {MAX_PATCH_CHARS} characters")
    edits, problem = _made(pairs, brief.files)
    return Proposal(hypothesis, prediction, edits, note=problem, fixes=fixes, breaks=breaks)


def _made(pairs: list[tuple[str, str, str]], files: Mapping[str, str]) -> tuple[tuple[FileEdit, ...], str]:
    """The files that are other than before, and what is wrong with the first edit that does not apply, or ""."""
    after, problem = dict(files), ""
    for path, old, new in pairs:
        try:
            after[path] = _applied(path, after.get(path), old, new)
        except Unusable as error:
            problem = problem or str(error)
    return tuple(FileEdit(path, text) for path, text in after.items() if files.get(path) != text), problem


def meant(named: Any, meanings: Mapping[str, Any]) -> tuple[str, ...]:
    """The tasks that the words of a prediction stand for; a trial's reference stands for its task. Others are passed
    over: a slip in a prediction is no reason to refuse a patch."""
    some = named if isinstance(named, list) else [named] if isinstance(named, str) else []
    found = [meanings.get(str(word)) or meanings.get(str(word).partition(".")[0], ()) for word in some[:MAX_NAMED]]
    return tuple(sorted({task for tasks in found for task in tasks}))


def words(value: Any) -> str:
    """What a model said, as it is kept: whole characters without NUL, and not too many."""
    return str(value)[:MAX_WORDS].encode("utf-8", "replace").decode().replace("\0", "?")


def _sound(value: Any) -> str:
    """Text of a patch as it is. Raises ValueError for half characters."""
    text = str(value)
    text.encode()
    return text


def _applied(path: str, text: str | None, old: str, new: str) -> str:
    if not old:
        return new
    found = 0 if text is None else text.count(old)
    if text is None or found != 1:
        raise Unusable(f"the edit of {printable(path)} does not apply: its `old` text occurs {found} times")
    return text.replace(old, new)
