"""The proposer: one conversation with the model that ends in a patch, a hypothesis and a prediction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from evolve.errors import RequestRefused
from evolve.guard import shown_path
from evolve.llm import ChatModel, usage_of
from evolve.records import FileEdit, ModelSpec, Proposal, Usage

PROMPTS = Path(__file__).parent / "prompts"
MAX_TOKENS = 16_384
MAX_WORDS = 2_000
MAX_PATCH_CHARS = 1_000_000


@dataclass(frozen=True)
class Brief:
    """What the proposer is shown. files: the parent's text files; memory: one line for each earlier round."""

    files: Mapping[str, str]
    evolvable: Sequence[str]
    digest: str
    memory: Sequence[str]


class Unusable(Exception):
    """The model's answer holds no patch that applies; the text says why."""


def prompt_digest() -> str:
    """sha256 over the proposer's prompt files: which wording a round was made with."""
    names = ("propose_system.md", "propose_user.md", "propose_tool.json")
    return hashlib.sha256(b"".join((PROMPTS / name).read_bytes() for name in names)).hexdigest()


def direct(model: ChatModel, spec: ModelSpec, brief: Brief, seed: int) -> Proposal:
    """One call. An answer that can't be used is a Proposal without edits whose `note` says why.

    Raises InfraError where the endpoint fails.
    """
    asked = request(spec, brief, seed)
    try:
        completion = model.complete(asked)
    except RequestRefused as error:
        return Proposal("", "", (), Usage(calls=1), _words(f"the model refused: {error}"))
    usage = usage_of(completion, spec, asked)
    try:
        return _proposal(completion["choices"][0]["message"], brief.files, usage)
    except Unusable as error:
        return Proposal("", "", (), usage, str(error))


def request(spec: ModelSpec, brief: Brief, seed: int) -> dict[str, Any]:
    """The chat-completions request."""
    user = Template(_prompt("propose_user.md")).substitute(
        evolvable=", ".join(brief.evolvable),
        files="\n\n".join(f'<file path="{path}">\n{text}\n</file>' for path, text in sorted(brief.files.items())),
        digest=brief.digest,
        memory="\n".join(brief.memory) or "(this is the first round)",
    )
    return {
        **dict(spec.sampling),
        "model": spec.name,
        "messages": [
            {"role": "system", "content": _prompt("propose_system.md")},
            {"role": "user", "content": user},
        ],
        "tools": [json.loads(_prompt("propose_tool.json"))],
        "max_tokens": MAX_TOKENS,
        "seed": seed & 0x7FFFFFFF,
    }


def _prompt(name: str) -> str:
    return (PROMPTS / name).read_text(encoding="utf-8")


def _proposal(message: Mapping[str, Any], files: Mapping[str, str], usage: Usage) -> Proposal:
    try:
        offered = [call.get("function") for call in message.get("tool_calls") or [] if isinstance(call, Mapping)]
        calls = [made for made in offered if isinstance(made, Mapping) and made.get("name") == "propose"]
        if not calls:
            raise Unusable("the model proposed nothing")
        arguments = json.loads(calls[0]["arguments"])
        edits = arguments["edits"]
        hypothesis, prediction = _words(arguments["hypothesis"]), _words(arguments["prediction"])
        pairs = [(_sound(edit["path"]), str(edit["old"]), _sound(edit["new"])) for edit in edits]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unusable(_words(f"the model's proposal is malformed: {type(error).__name__}: {error}")) from error
    if sum(len(path) + len(new) for path, _, new in pairs) > MAX_PATCH_CHARS:
        raise Unusable(f"the patch has more than {MAX_PATCH_CHARS} characters")
    after = dict(files)
    problem = ""
    for path, old, new in pairs:
        try:
            after[path] = _applied(path, after.get(path), old, new)
        except Unusable as error:
            problem = problem or str(error)
    changed = tuple(FileEdit(path, text) for path, text in after.items() if files.get(path) != text)
    return Proposal(hypothesis, prediction, changed, usage, problem)


def _words(value: Any) -> str:
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
        raise Unusable(f"the edit of {shown_path(path)} does not apply: its `old` text occurs {found} times")
    return text.replace(old, new)
