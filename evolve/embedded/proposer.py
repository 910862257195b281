"""The proposer role: answer a scaffold's files, a failure digest and a memory with one call of `propose`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from evolve.core.fences import section
from evolve.core.records import stable_hash
from evolve.embedded.idioms import IDIOMS, Idiom
from evolve.embedded.knobs import Knobs
from evolve.embedded.messages import text_of
from evolve.embedded.rewrite import mutate, other_number
from evolve.embedded.slots import Code, numbers, read_code

EMPTY, BROKEN, IDIOM = 0.03, 0.03, 0.60
UNIFORM = 0.25
ANYWHERE = 0.35
TRIED_FACTOR = 0.3
FROZEN = ("scaffold.toml",)

_FILE = re.compile(
    r'^<file path="(?P<path>[^"\n]+)"(?: end="(?P<key>[0-9a-f]{16})")?>\n(?P<text>.*?)\n?^</file(?(key)-(?P=key))>$',
    re.MULTILINE | re.DOTALL,
)
_PLACES = re.compile(r"\[[^]\n]*\]")
_GROUP = re.compile(r"^- (G\d+): (.*)$", re.MULTILINE)
_SHARE = re.compile(r"\b(\d+) of (\d+)\b")
_COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "with",
        "that",
        "this",
        "from",
        "was",
        "were",
        "had",
        "has",
        "have",
        "not",
        "them",
        "they",
        "its",
        "are",
        "all",
        "but",
        "which",
    ]
)


@dataclass(frozen=True)
class ProposalRequest:
    """The contents of a request: the scaffold's files, the failure digest, the memory of earlier rounds.

    refused: the ideas of this round that were refused; they are not drawn again.
    """

    files: Mapping[str, str]
    digest: str
    memory: str
    refused: str = ""


@dataclass(frozen=True)
class EditIdea:
    """A proposal before it becomes a tool call. files: the new texts; note: how it was drawn."""

    hypothesis: str
    prediction: str
    files: Mapping[str, str]
    note: str
    fixes: tuple[str, ...] = ()


def propose(body: Mapping[str, Any], knobs: Knobs) -> dict[str, Any]:
    """Answer a request that offers `propose`: a pure function of the body. Returns the assistant's message."""
    seed = int(body.get("seed") or 0)
    brief = read_request(body)
    idea = draw_idea(brief, Random(stable_hash(seed, "proposal")))
    arguments = {
        "hypothesis": idea.hypothesis,
        "prediction": idea.prediction,
        "fixes": list(idea.fixes),
        "edits": [smallest_edit(brief.files, path, text) for path, text in sorted(idea.files.items())],
    }
    function = {"name": "propose", "arguments": json.dumps(arguments)}
    identity = f"call_{stable_hash(seed, function['arguments']):016x}"
    call = {"id": identity, "type": "function", "function": function}
    return {"role": "assistant", "content": idea.note, "tool_calls": [call]}


def read_request(body: Mapping[str, Any]) -> ProposalRequest:
    """Extract the files, the digest and the memory from the user's messages."""
    text = "\n".join(text_of(message.get("content")) for message in body["messages"] if message["role"] == "user")
    files = {match["path"]: match["text"] for match in _FILE.finditer(text) if match["path"] not in FROZEN}
    return ProposalRequest(files, section(_FILE.sub("", text), "digest"), section(_FILE.sub("", text), "memory"))


def draw_idea(brief: ProposalRequest, dice: Random) -> EditIdea:
    """Draw an idea: no change, a broken edit, an idiom or a random mutation."""
    kind, code = dice.random(), read_code(brief.files)
    if kind < EMPTY or not brief.files:
        return EditIdea("Nothing should be changed.", "All trials stay as they are.", {}, "nothing")
    if kind < EMPTY + BROKEN:
        return _slip(brief, dice)
    idea = _by_idiom(brief, code, dice) if kind < EMPTY + BROKEN + IDIOM else None
    return idea or _by_mutation(code, dice)


def idiom_weights(brief: ProposalRequest) -> dict[str, float]:
    """The probability of each idiom: the overlap of its keywords with the digest, mixed with a uniform share."""
    lines = [(_share(line), stems(_PLACES.sub("", line))) for line in brief.digest.splitlines()]
    overlaps = {idiom.name: _overlap(stems(idiom.weakness), lines) for idiom in IDIOMS}
    total = sum(overlaps.values())
    uniform = 1 / len(IDIOMS)
    mixed = {
        idiom.name: (UNIFORM * uniform + (1 - UNIFORM) * overlaps[idiom.name] / total if total else uniform)
        * _freshness(idiom, brief)
        for idiom in IDIOMS
    }
    return {name: weight / sum(mixed.values()) for name, weight in mixed.items()}


def _overlap(stems_wanted: frozenset[str], lines: list[tuple[float, frozenset[str]]]) -> float:
    """The best fit of any line: its share times the squared share of the wanted words in it."""
    fits = [
        share * (len(stems_wanted & line_stems) / len(stems_wanted)) ** 2
        for share, line_stems in lines
        if len(stems_wanted & line_stems) > 1
    ]
    return max(fits, default=0.0)


def _share(line: str) -> float:
    """The weight of a digest line: N/M from "N of M", otherwise one half."""
    match = _SHARE.search(line)
    return int(match[1]) / max(1, int(match[2])) if match else 0.5


def _freshness(idiom: Idiom, brief: ProposalRequest) -> float:
    start = idiom.hypothesis[:60]
    return 0.0 if start in brief.refused else TRIED_FACTOR if start in brief.memory else 1.0


def stems(text: str) -> frozenset[str]:
    """The words of a text without their endings, except short and common ones."""
    words = re.findall(r"[a-z_]{3,}", text.lower())
    return frozenset(re.sub(r"(?<=\w{3})(?:ing|ed|es|s|e)$", "", word) for word in words if word not in _COMMON)


def _by_idiom(brief: ProposalRequest, code: Code, dice: Random) -> EditIdea | None:
    """Draw an idiom that applies somewhere, and the place: usually the likeliest, sometimes any."""
    weights = {name: weight for name, weight in idiom_weights(brief).items() if weight}
    while weights:
        name = dice.choices(list(weights), list(weights.values()))[0]
        idiom = next(candidate for candidate in IDIOMS if candidate.name == name)
        changes = [change for change in idiom.find(code, dice) if _differs(brief.files, change)]
        if changes:
            place = dice.randrange(len(changes)) if dice.random() < ANYWHERE else 0
            note = f"idea {name}, probability {weights[name]:.3f}, place {place + 1} of {len(changes)}"
            return EditIdea(idiom.hypothesis, idiom.prediction, changes[place], note, _matching_groups(idiom, brief))
        del weights[name]
    return None


def _matching_groups(idiom: Idiom, brief: ProposalRequest) -> tuple[str, ...]:
    """The failure group of the digest that matches the idiom's weakness best, if any does."""
    weakness = stems(idiom.weakness)
    fits = {
        name: _overlap(weakness, [(1.0, stems(_PLACES.sub("", text)))]) for name, text in _GROUP.findall(brief.digest)
    }
    best = max(fits, key=lambda name: fits[name], default=None)
    return (best,) if best is not None and fits[best] else ()


def _differs(files: Mapping[str, str], change: Mapping[str, str]) -> bool:
    return any(files.get(path) != text for path, text in change.items())


def _by_mutation(code: Code, dice: Random) -> EditIdea:
    """Draw a random change of a number in the settings or of a statement."""
    for _ in range(20):
        settings = [number for number in numbers(code, "") if number.path.endswith(".toml")]
        if settings and dice.random() < 0.3:
            number = dice.choice(settings)
            new = other_number(int(number.value) if number.value.is_integer() else number.value, dice)
            return _mutation(number.path, number.with_value(code, new)[number.path], f"`{number.label}` becomes {new}")
        module = dice.choice(code.modules) if code.modules else None
        change = mutate(module, dice) if module else None
        if module and change:
            return _mutation(module.path, change.text, change.description)
    return EditIdea("Nothing should be changed.", "All trials stay as they are.", {}, "no mutation has a place")


def _mutation(path: str, text: str, what: str) -> EditIdea:
    hypothesis = f"In {path}, {what}: perhaps that is better."
    return EditIdea(hypothesis, "Unknown: some trials may pass that failed.", {path: text}, "mutation")


def _slip(brief: ProposalRequest, dice: Random) -> EditIdea:
    """A broken edit: a Python file that no longer parses."""
    path = dice.choice(sorted(path for path in brief.files if path.endswith(".py")) or sorted(brief.files))
    lines = brief.files[path].split("\n")
    opening = [index for index, line in enumerate(lines) if line.rstrip().endswith((")", ":", "]"))]
    at = dice.choice(opening) if opening else 0
    lines[at] = lines[at].rstrip()[:-1] + " ("
    return EditIdea(
        f"Line {at + 1} of {path} can be simpler.", "No trial gets worse.", {path: "\n".join(lines)}, "slip"
    )


def smallest_edit(files: Mapping[str, str], path: str, text: str) -> dict[str, str]:
    """The smallest block of whole lines that holds all changes and occurs once; all of a new file."""
    if path not in files:
        return {"path": path, "old": "", "new": text}
    old, new = files[path].split("\n"), text.split("\n")
    first, shared = 0, min(len(old), len(new))
    while first < shared and old[first] == new[first]:
        first += 1
    last = 0
    while last < shared - first and old[-1 - last] == new[-1 - last]:
        last += 1
    while not _occurs_once(files[path], "\n".join(old[first : len(old) - last])):
        if first == 0 and last == 0:
            return {"path": path, "old": "", "new": text}
        first, last = max(0, first - 1), max(0, last - 1)
    return {
        "path": path,
        "old": "\n".join(old[first : len(old) - last]),
        "new": "\n".join(new[first : len(new) - last]),
    }


def _occurs_once(text: str, part: str) -> bool:
    start = text.find(part)
    return bool(part) and start >= 0 and text.find(part, start + 1) < 0
