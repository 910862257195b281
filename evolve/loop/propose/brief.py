"""What a writer of patches is given and what it returns, and the request that a conversation starts with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from evolve.analysis import Shelf
from evolve.core.records import Proposal

PROMPTS = Path(__file__).parent.parent / "prompts"
FILES = ("propose_system.md", "propose_user.md", "propose_repair.md", "propose_emphasis.md", "propose_tools.json")
SHOWN_FILES_CHARS = 150_000
NOTHING_YET = "(this is the first round)"
Message = dict[str, Any]
# Why a proposal can't be measured, in one line; None if it can.
Check = Callable[[Proposal], str | None]


@dataclass(frozen=True)
class Brief:
    """What the writer of a patch is shown, and may look up.

    files: the parent's text files; memory: text about the earlier rounds; meanings: the train tasks (by name) that each
    word of a prediction stands for: a group's id, a task's label; emphasis: what to focus on, if several are written
    at once.
    """

    files: Mapping[str, str]
    evolvable: Sequence[str]
    digest: str
    memory: str
    shelf: Shelf
    meanings: Mapping[str, Sequence[str]]
    emphasis: str = ""


@dataclass(frozen=True)
class WrittenProposal:
    """A proposal with the conversation that it came from."""

    proposal: Proposal
    messages: tuple[Message, ...]


def prompt_digest(names: Sequence[str] = FILES) -> str:
    """sha256 over a proposer's prompt files: which wording a round was made with."""
    return hashlib.sha256(b"".join((PROMPTS / name).read_bytes() for name in names)).hexdigest()


def prompt(name: str, **values: object) -> str:
    """Fill in a prompt file."""
    return Template((PROMPTS / name).read_text(encoding="utf-8")).substitute(values)


def emphases() -> list[str]:
    """What proposals that are written at once focus on, one line each."""
    return (PROMPTS / "propose_emphasis.md").read_text(encoding="utf-8").splitlines()


def tools(name: str = "propose_tools.json") -> list[Message]:
    """The tools of a prompt file, as a request has them."""
    parsed = json.loads((PROMPTS / name).read_text(encoding="utf-8"))
    return parsed if isinstance(parsed, list) else [parsed]


def opening(brief: Brief) -> list[Message]:
    """The first two messages."""
    user = prompt(
        "propose_user.md",
        evolvable=", ".join(brief.evolvable),
        files=shown_files(brief.files),
        digest=brief.digest,
        memory=brief.memory or NOTHING_YET,
        emphasis=brief.emphasis,
    )
    return [
        {"role": "system", "content": prompt("propose_system.md")},
        {"role": "user", "content": user.rstrip() + "\n"},
    ]


def shown_files(files: Mapping[str, str]) -> str:
    """Show the smallest files in full until there is no more room, and the names of the others."""
    room, shown = SHOWN_FILES_CHARS, []
    for path in sorted(files, key=lambda path: (len(files[path]), path)):
        room -= len(files[path])
        if room >= 0:
            shown.append(path)
    texts = [f'<file path="{path}">\n{files[path]}\n</file>' for path in sorted(shown)]
    hidden = sorted(set(files) - set(shown))
    return "\n\n".join([*texts, f"Too long to be shown here: {', '.join(hidden)}"] if hidden else texts)
