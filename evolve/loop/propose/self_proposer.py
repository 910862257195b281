"""The `self` proposer: the tip scaffold at work on its own files. What it is given, and how what it left is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evolve.core.records import FileEdit, Proposal, Usage, stable_hash
from evolve.guard import printable
from evolve.loop.propose.answer import MAX_PATCH_CHARS, Unusable, meant, words
from evolve.loop.propose.brief import NOTHING_YET, PROMPTS, Brief, Check, Made, Message, prompt
from evolve.trial.self_work import SelfWorkResult

MAX_REPAIRS = 3
FILES = ("self_task.md", "self_problem.md", "self_proposal.json", "self_tests.txt", "propose_emphasis.md")
SCAFFOLD, BEFORE = "scaffold/", "before/"
PAPER = "proposal.json"
KEPT = ("scaffold", PAPER)
NOT_GIVEN = "(none was given)"
# Has the scaffold work: its instruction, the files that it finds, and the seed of its model calls.
Run = Callable[[str, Mapping[str, str], int], SelfWorkResult]


def self_improve(run: Run, brief: Brief, seed: int, check: Check) -> Made:
    """A proposal that passes the check; else the last one, whose `note` says what is wrong with it.

    Up to MAX_REPAIRS times the scaffold goes on with what it had left, and is told the problem and all that was
    refused before. Raises InfraError.
    """
    now = {SCAFFOLD + path: text for path, text in brief.files.items()} | {PAPER: _file("self_proposal.json")}
    made, usage, events, refused = Proposal("", "", ()), Usage(), list[Message](), list[Proposal]()
    for attempt in range(MAX_REPAIRS + 1):
        files = _given(brief, now, made.note)
        instruction = _instruction(brief, files, refused)
        done = run(instruction, files, stable_hash(seed, attempt))
        usage += done.usage
        events += [{"kind": "begin", "attempt": attempt, "problem": made.note}, *map(dict, done.events)]
        made = proposal_of(done, brief)
        made = replace(made, note=made.note or check(made) or "")
        if not made.note:
            break
        refused.append(made)
        now = now if done.left.problem else _texts(done.left.files)
    return Made(replace(made, usage=usage), tuple(events))


def _file(name: str) -> str:
    return (PROMPTS / name).read_text(encoding="utf-8")


def _given(brief: Brief, now: Mapping[str, str], problem: str) -> dict[str, str]:
    """All files that the scaffold finds in its working directory."""
    notes = {"digest": brief.digest, "memory": brief.memory or NOTHING_YET}
    notes |= {f"trials/{reference}": text for reference, text in brief.shelf.texts().items()}
    before = {BEFORE + path: text for path, text in brief.files.items()} if problem else {}
    notes |= {"problem": problem} if problem else {}
    files = {f"notes/{name}.md": _whole(text) + "\n" for name, text in notes.items()}
    return {**before, **files, PAPER: _file("self_proposal.json"), "test_scaffold.py": _file("self_tests.txt"), **now}


def _whole(text: str) -> str:
    """Without half characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _instruction(brief: Brief, files: Mapping[str, str], refused: Sequence[Proposal]) -> str:
    told = {
        "evolvable": ", ".join(brief.evolvable),
        "problem": _problem(refused) if refused else "",
        "emphasis": f"\n{brief.emphasis.strip()}\n" if brief.emphasis else "",
        "files": "\n".join(sorted(files)),
    }
    return prompt("self_task.md", **told)


def _problem(refused: Sequence[Proposal]) -> str:
    every = (f"- {' '.join(f'{one.hypothesis} ({one.note})'.split())}" for one in refused)
    return prompt("self_problem.md", problem=refused[-1].note, refused="\n".join(every))


def proposal_of(done: SelfWorkResult, brief: Brief) -> Proposal:
    """What the scaffold left, as a patch of the tip; one that can't be used has a `note` that says why."""
    try:
        if done.left.problem:
            raise Unusable(f"what the scaffold left can't be taken: {done.left.problem}")
        paper = _paper(done.left.files.get(PAPER, b""))
        edits = _edits(done.left.files, paper, brief.files)
    except Unusable as error:
        return Proposal(_last_words(done), NOT_GIVEN, (), note=words(str(error)))
    ending = f" ({done.ending})" if done.ending else ""
    return Proposal(
        words(paper.get("hypothesis") or _last_words(done)),
        words(paper.get("prediction") or NOT_GIVEN),
        edits,
        note="" if edits else words(f"the scaffold changed nothing{ending}"),
        fixes=meant(paper.get("fixes"), brief.meanings),
        breaks=meant(paper.get("may_break"), brief.meanings),
    )


def _paper(data: bytes) -> Mapping[str, Any]:
    """What proposal.json says; nothing where it can't be read: a patch needs no words."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _edits(left: Mapping[str, bytes], paper: Mapping[str, Any], before: Mapping[str, str]) -> tuple[FileEdit, ...]:
    """The files that are other than before; those that are gone are deleted. Raises Unusable."""
    found = [(path, data) for path, data in left.items() if path.startswith(SCAFFOLD)]
    after = {path.removeprefix(SCAFFOLD): _text(path, data) for path, data in found} | _new_files(paper)
    if sum(len(path) + len(text) for path, text in after.items()) > MAX_PATCH_CHARS:
        raise Unusable(f"the scaffold would have more than {MAX_PATCH_CHARS} characters")
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    return tuple(FileEdit(path, after.get(path)) for path in changed)


def _text(path: str, data: bytes) -> str:
    try:
        path.encode()
        text = data.decode()
    except ValueError:
        raise Unusable(f"{printable(path)} is not text, or its name is not") from None
    if "\0" in text:
        raise Unusable(f"{printable(path)} is not text")
    return text


def _new_files(paper: Mapping[str, Any]) -> dict[str, str]:
    named = paper.get("new_files") or {}
    if not isinstance(named, dict) or not all(isinstance(text, str) for text in named.values()):
        raise Unusable("`new_files` of proposal.json is no object from paths to texts")
    return {
        path.removeprefix(SCAFFOLD): _text(path, text.encode("utf-8", "surrogatepass")) for path, text in named.items()
    }


def _texts(left: Mapping[str, bytes]) -> dict[str, str]:
    """What of it is text: that is what the scaffold goes on with."""
    found = {}
    for path, data in left.items():
        try:
            found[path] = _text(path, data)
        except Unusable:
            continue
    return found


def _last_words(done: SelfWorkResult) -> str:
    """The last text that the model said, whichever role of the scaffold it was for."""
    for event in reversed(done.events):
        choices = (event.get("response") or {}).get("choices") or [{}]
        said = (choices[0].get("message") or {}).get("content")
        if isinstance(said, str) and said.strip():
            return words(said.strip())
    return NOT_GIVEN
