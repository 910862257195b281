"""What a writer of patches is given and what it returns, and the request that a conversation starts with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from evolve.analysis import Shelf
from evolve.core.fences import escaped, file_block
from evolve.core.records import ModelSpec, Proposal
from evolve.llm import estimate_prompt_tokens
from evolve.loop.propose.fitting import NO_LIMIT, brief_room, fit, size

PROMPTS = Path(__file__).parent.parent / "prompts"
FILES = (
    "propose_system.md",
    "propose_user.md",
    "propose_repair.md",
    "propose_cut_off.md",
    "propose_emphasis.md",
    "propose_tools.json",
)
# A brief of fewer bytes would show too little to propose anything.
LEAST_ROOM = 1_000
NOTHING_YET = "(this is the first round)"
Message = dict[str, Any]
# Why a proposal can't be measured, in one line; None if it can.
Check = Callable[[Proposal], str | None]


@dataclass(frozen=True)
class Brief:
    """What the writer of a patch is shown, and may look up.

    files: the parent's text files that are shown; unseen: how many others there are; memory: text about the earlier
    rounds; meanings: the train tasks (by name) that each word of a prediction stands for: a group's id, a task's label;
    emphasis: what to focus on, if several are written at once; ignored: the parameters of a model call that have no
    effect in this run.
    """

    files: Mapping[str, str]
    evolvable: Sequence[str]
    digest: str
    memory: str
    shelf: Shelf
    meanings: Mapping[str, Sequence[str]]
    emphasis: str = ""
    ignored: Sequence[str] = ()
    unseen: int = 0


@dataclass(frozen=True)
class WrittenProposal:
    """A proposal with the conversation that it came from."""

    proposal: Proposal
    messages: tuple[Message, ...]


def prompt_digest(names: Sequence[str] = FILES) -> str:
    """sha256 over a proposer's prompt files: which wording a round was made with."""
    return hashlib.sha256(b"".join((PROMPTS / name).read_bytes() for name in names)).hexdigest()


def prompt(name: str, **values: object) -> str:
    """Fill in a prompt file. A value in a fence of its own name can't close it."""
    template = (PROMPTS / name).read_text(encoding="utf-8")
    return Template(template).substitute({key: _filled(template, key, str(value)) for key, value in values.items()})


def _filled(template: str, key: str, value: str) -> str:
    return escaped(value) if f"<{key}>\n${key}\n</{key}>" in template else value


def emphases() -> list[str]:
    """What proposals that are written at once focus on, one line each."""
    return (PROMPTS / "propose_emphasis.md").read_text(encoding="utf-8").splitlines()


def tools(name: str = "propose_tools.json") -> list[Message]:
    """The tools of a prompt file, as a request has them."""
    parsed = json.loads((PROMPTS / name).read_text(encoding="utf-8"))
    return parsed if isinstance(parsed, list) else [parsed]


def openings(brief: Brief, spec: ModelSpec, answer: int) -> Iterator[list[Message]]:
    """The first two messages, then shorter ones for a model whose context window turns out to be smaller.

    answer: the tokens that an answer may have.
    """
    fixed = estimate_prompt_tokens({"messages": opening(brief, 0), "tools": tools()})
    room = brief_room(spec, fixed, answer)
    first = opening(brief, room)
    yield first
    room = min(room, size(first[-1]["content"]))
    while (room := room // 2) > LEAST_ROOM:
        yield opening(brief, room)


def opening(brief: Brief, room: int = NO_LIMIT) -> list[Message]:
    """The first two messages, with so many bytes for files, digest and earlier rounds."""
    shown = fit(brief.files, brief.digest, brief.memory or NOTHING_YET, room)
    user = prompt(
        "propose_user.md",
        evolvable=", ".join(brief.evolvable),
        ignored=ignored_line(brief),
        files=shown_files(brief.files, shown.files, brief.unseen),
        digest=shown.digest,
        memory=shown.memory,
        emphasis=brief.emphasis,
    )
    return [
        {"role": "system", "content": prompt("propose_system.md")},
        {"role": "user", "content": user.rstrip() + "\n"},
    ]


def ignored_line(brief: Brief) -> str:
    """A line on the parameters that can't be evolved in this run; "" if there are none."""
    if not brief.ignored:
        return ""
    return f"\nThis endpoint ignores: {', '.join(brief.ignored)}. Changing them has no effect."


def shown_files(files: Mapping[str, str], shown: Sequence[str], unseen: int = 0) -> str:
    """Show these files in full, the names of the others, and how many more the scaffold has."""
    texts = [file_block(path, files[path]) for path in shown]
    if hidden := sorted(set(files) - set(shown)):
        texts.append(f"Too long to be shown here: {', '.join(hidden)}")
    if unseen:
        texts.append(f"The scaffold has {unseen} more files, which can't be changed and are not shown.")
    return "\n\n".join(texts)
