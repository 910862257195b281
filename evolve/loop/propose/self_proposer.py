"""The `self` proposer: the tip scaffold works on its own files. Its input, and how its output becomes a patch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evolve.core.records import FileEdit, Proposal, Usage, stable_hash
from evolve.guard import printable
from evolve.loop.propose.answer import MAX_PATCH_CHARS, UnusableProposal, clean_text, predicted_tasks
from evolve.loop.propose.brief import NOTHING_YET, PROMPTS, Brief, Check, Message, WrittenProposal, ignored_line, prompt
from evolve.trial.self_work import SelfWorkResult

MAX_REPAIRS = 3
FILES = ("self_task.md", "self_problem.md", "self_proposal.json", "self_tests.txt", "propose_emphasis.md")
SCAFFOLD, BEFORE = "scaffold/", "before/"
PROPOSAL_FILE = "proposal.json"
KEPT = ("scaffold", PROPOSAL_FILE)
NOT_GIVEN = "(none was given)"
# Runs the scaffold: its instruction, the files that it finds, and the seed of its model calls.
Run = Callable[[str, Mapping[str, str], int], SelfWorkResult]


def self_improve(run: Run, brief: Brief, seed: int, check: Check) -> WrittenProposal:
    """Have the scaffold write a proposal; up to MAX_REPAIRS times it continues from its last output.

    Each time it is given the problem, and all that was refused before.

    Returns:
        A proposal that passes the check; otherwise the last one, whose `note` says what is wrong with it.

    Raises:
        InfraError: The machine failed.
    """
    now = {SCAFFOLD + path: text for path, text in brief.files.items()} | {PROPOSAL_FILE: _file("self_proposal.json")}
    made, usage, events, refused = Proposal("", "", ()), Usage(), list[Message](), list[Proposal]()
    for attempt in range(MAX_REPAIRS + 1):
        files = _files_for(brief, now, made.note)
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
    return WrittenProposal(replace(made, usage=usage), tuple(events))


def _file(name: str) -> str:
    return (PROMPTS / name).read_text(encoding="utf-8")


def _files_for(brief: Brief, now: Mapping[str, str], problem: str) -> dict[str, str]:
    """All files that the scaffold finds in its working directory."""
    notes = {"digest": brief.digest, "memory": brief.memory or NOTHING_YET}
    notes |= {f"trials/{reference}": text for reference, text in brief.shelf.texts().items()}
    before = {BEFORE + path: text for path, text in brief.files.items()} if problem else {}
    notes |= {"problem": problem} if problem else {}
    files = {f"notes/{name}.md": _without_half_characters(text) + "\n" for name, text in notes.items()}
    return {
        **before,
        **files,
        PROPOSAL_FILE: _file("self_proposal.json"),
        "test_scaffold.py": _file("self_tests.txt"),
        **now,
    }


def _without_half_characters(text: str) -> str:
    """Replace half characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _instruction(brief: Brief, files: Mapping[str, str], refused: Sequence[Proposal]) -> str:
    values = {
        "evolvable": ", ".join(brief.evolvable),
        "ignored": ignored_line(brief),
        "problem": _problem(refused) if refused else "",
        "emphasis": f"\n{brief.emphasis.strip()}\n" if brief.emphasis else "",
        "files": "\n".join(printable(path) for path in sorted(files)),
    }
    return prompt("self_task.md", **values)


def _problem(refused: Sequence[Proposal]) -> str:
    lines = (f"- {' '.join(f'{proposal.hypothesis} ({proposal.note})'.split())}" for proposal in refused)
    return prompt("self_problem.md", problem=refused[-1].note, refused="\n".join(lines))


def proposal_of(done: SelfWorkResult, brief: Brief) -> Proposal:
    """The scaffold's output as a patch of the tip; one that can't be used has a `note` that says why."""
    try:
        if done.left.problem:
            raise UnusableProposal(f"what the scaffold left can't be taken: {done.left.problem}")
        fields = _proposal_file(done.left.files.get(PROPOSAL_FILE, b""))
        edits = _edits(done.left.files, fields, brief.files)
    except UnusableProposal as error:
        return Proposal(_last_message(done), NOT_GIVEN, (), note=clean_text(str(error)))
    ending = f" ({done.ending})" if done.ending else ""
    return Proposal(
        clean_text(fields.get("hypothesis") or _last_message(done)),
        clean_text(fields.get("prediction") or NOT_GIVEN),
        edits,
        note="" if edits else clean_text(f"the scaffold changed nothing{ending}"),
        fixes=predicted_tasks(fields.get("fixes"), brief.meanings),
        breaks=predicted_tasks(fields.get("may_break"), brief.meanings),
    )


def _proposal_file(data: bytes) -> Mapping[str, Any]:
    """The fields of proposal.json; none if it can't be read: a patch needs no explanation."""
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _edits(left: Mapping[str, bytes], fields: Mapping[str, Any], before: Mapping[str, str]) -> tuple[FileEdit, ...]:
    """The files that changed; missing ones are deleted.

    Raises:
        UnusableProposal: The scaffold is too large, or a file is not text.
    """
    files = [(path, data) for path, data in left.items() if path.startswith(SCAFFOLD)]
    after = {path.removeprefix(SCAFFOLD): _text(path, data) for path, data in files} | _new_files(fields)
    if sum(len(path) + len(text) for path, text in after.items()) > MAX_PATCH_CHARS:
        raise UnusableProposal(f"the scaffold would have more than {MAX_PATCH_CHARS} characters")
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    return tuple(FileEdit(path, after.get(path)) for path in changed)


def _text(path: str, data: bytes) -> str:
    try:
        path.encode()
        text = data.decode()
    except ValueError:
        raise UnusableProposal(f"{printable(path)} is not text, or its name is not") from None
    if "\0" in text:
        raise UnusableProposal(f"{printable(path)} is not text")
    return text


def _new_files(fields: Mapping[str, Any]) -> dict[str, str]:
    named = fields.get("new_files") or {}
    if not isinstance(named, dict) or not all(isinstance(text, str) for text in named.values()):
        raise UnusableProposal("`new_files` of proposal.json is no object from paths to texts")
    return {
        path.removeprefix(SCAFFOLD): _text(path, text.encode("utf-8", "surrogatepass")) for path, text in named.items()
    }


def _texts(left: Mapping[str, bytes]) -> dict[str, str]:
    """The files that are text, from which the scaffold continues."""
    texts = {}
    for path, data in left.items():
        try:
            texts[path] = _text(path, data)
        except UnusableProposal:
            continue
    return texts


def _last_message(done: SelfWorkResult) -> str:
    """The model's last text, in whichever role of the scaffold."""
    for event in reversed(done.events):
        choices = (event.get("response") or {}).get("choices") or [{}]
        content = (choices[0].get("message") or {}).get("content")
        if isinstance(content, str) and content.strip():
            return clean_text(content.strip())
    return NOT_GIVEN
