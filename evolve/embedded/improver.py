"""The improver role: a scaffold at work on its own files, by its own tools: it reads, draws an idea, writes it down."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from random import Random
from typing import Any

from evolve.core.records import stable_hash
from evolve.embedded.knobs import Knobs, uniform
from evolve.embedded.messages import text_of
from evolve.embedded.policy import TEST_COMMAND, edit_arguments
from evolve.embedded.proposer import FROZEN, EditIdea, ProposalRequest, drawn, section, smallest_edit
from evolve.embedded.shown import Shown, show
from evolve.embedded.tools import Tool, read_tools

MARK = "<improve-scaffold>"
IDLE = "the scaffold changed nothing"
SCAFFOLD, BEFORE = "scaffold/", "before/"
DIGEST, MEMORY, PAPER = "notes/digest.md", "notes/memory.md", "proposal.json"
# Some scaffolds forget what was read: at times one file is read alone, and at times what is known has to do.
READS_ONE, GOES_ON = 0.25, 0.15

_FILES = re.compile(r"<files>\n(.*?)\n</files>", re.DOTALL)
_SHOWN = re.compile(r'<file path="([^"\n]+)"[^>\n]*>\n(.*?)\n?</file>', re.DOTALL)
_CAT = re.compile(r"^cat (\S+)$")
_REFUSED = re.compile(r"error|not found|no such", re.IGNORECASE)
_EDIT_BY_SHELL = """python3 - <<'END_OF_EDIT'
import pathlib
path, old, new = {parts!r}
file = pathlib.Path(path)
file.parent.mkdir(parents=True, exist_ok=True)
file.write_text(file.read_text().replace(old, new, 1) if old else new)
END_OF_EDIT"""

Calls = list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Desk:
    """What the conversation shows. files: texts by path as last read; listed: the paths that the task names.

    `worked`, `tested`: whether it has made edits, and run the tests after them. `refused`: the ideas that came to
    nothing before, one on a line; `careful`: the last one changed no file, so the scaffold may not bear many calls at
    once.
    """

    tools: Mapping[str, Tool]
    seed: int
    listed: tuple[str, ...]
    files: Mapping[str, str]
    numbered: Mapping[str, Shown]
    unread: frozenset[str]
    worked: bool
    tested: bool
    refused: str
    careful: bool

    @property
    def mends(self) -> bool:
        """Whether one of the refused ideas changed files."""
        return any(IDLE not in line for line in self.refused.splitlines())

    def under(self, folder: str) -> dict[str, str]:
        """The scaffold's own files in a folder, by their paths in it."""
        found = {path.removeprefix(folder): text for path, text in self.files.items() if path.startswith(folder)}
        return {path: text for path, text in found.items() if path not in FROZEN}

    def before(self) -> dict[str, str]:
        """The files as they were before all changes; of those that are shown in part, as far as that shows.

        A text without a newline at its end was cut.
        """
        now, found = self.under(SCAFFOLD), self.under(BEFORE)
        parts = {
            path for path in found.keys() & now.keys() if not found[path].endswith("\n") or not now[path].endswith("\n")
        }
        return {path: undone(now[path], text) if path in parts else text for path, text in found.items()}

    def wanted(self) -> list[str]:
        """What is to be read before there can be an idea, and was not yet."""
        folders = (SCAFFOLD, BEFORE) if self.mends else (SCAFFOLD,)
        names = [path for path in self.listed if path.startswith(folders) or path in (DIGEST, MEMORY, PAPER)]
        return [path for path in names if path not in self.files and path not in self.unread]


def asked_to_improve(body: Mapping[str, Any]) -> bool:
    """Whether the conversation's task is to improve the scaffold."""
    return any(MARK in text for text in _told(body))


def improve(body: Mapping[str, Any], knobs: Knobs) -> dict[str, Any]:
    """The assistant's message for a request about such a task: a pure function of the body."""
    desk = _desk(body)
    if not desk.tools.keys() & {"edit", "shell"}:
        return _message(desk, "I change nothing.", _submit(desk))
    if desk.worked:
        again = [] if desk.tested else _tests(desk)
        return _message(desk, "It is done.", again or _submit(desk))
    wanted, known = desk.wanted(), desk.under(SCAFFOLD)
    if wanted and not (known and uniform(desk.seed, "go on") < GOES_ON):
        alone = desk.careful or uniform(desk.seed, "read one") < READS_ONE
        some = [Random(desk.seed).choice(wanted)] if alone else wanted
        return _message(desk, "I read first.", [call for path in some for call in _read(desk, path)])
    base = (desk.before() if desk.mends else {}) or known
    brief = ProposalRequest(base, desk.files.get(DIGEST, ""), desk.files.get(MEMORY, ""), desk.refused)
    idea = drawn(brief, Random(stable_hash(desk.seed, "proposal")))
    return _message(desk, idea.hypothesis, [*_changes(desk, idea, base), *_submit(desk)])


def undone(now: str, before: str) -> str:
    """What a text was before, where the ends of both may be missing: behind the last lines that they share, as now."""
    mine, earlier = now.split("\n"), before.split("\n")
    *shared, _ = SequenceMatcher(None, mine, earlier, autojunk=False).get_matching_blocks()
    if not shared:
        return before
    last = shared[-1]
    return "\n".join([*earlier[: last.b + last.size], *mine[last.a + last.size :]])


def _told(body: Mapping[str, Any]) -> Iterator[str]:
    """What was said to the model, by no tool and not by itself."""
    yield from (text_of(one.get("content")) for one in body["messages"] if one["role"] not in ("assistant", "tool"))


def _desk(body: Mapping[str, Any]) -> Desk:
    tools, told = read_tools(body), "\n".join(_told(body))
    task = told[told.rfind(MARK) :]
    names = _FILES.search(task)
    files, unread = dict(_shown_files(told)), set()
    worked = tested = False
    for tool, arguments, result in _answered(body, tools):
        path = _path_read(tool, arguments)
        if path and "\n" not in result.strip() and _REFUSED.search(result):
            unread.add(path)
        elif path:
            files[path] = result
        elif tool.kind in ("edit", "shell"):
            worked, tested = worked or not _is_test(tool, arguments), tested or _is_test(tool, arguments)
        tested = tested or tool.kind == "test"
    numbered = {path: shown for path, text in files.items() if (shown := show(path, text)).numbers}
    files |= {path: shown.text for path, shown in numbered.items()}
    return Desk(
        tools=tools,
        seed=int(body.get("seed") or 0),
        listed=tuple(names[1].split("\n")) if names else (),
        files=files,
        numbered=numbered,
        unread=frozenset(unread),
        worked=worked,
        tested=tested,
        refused=section(task, "refused").strip(),
        careful=IDLE in section(task, "problem"),
    )


def _shown_files(text: str) -> Iterator[tuple[str, str]]:
    """Files that the scaffold shows by itself."""
    yield from ((path.removeprefix("./"), body + "\n") for path, body in _SHOWN.findall(text))


def _answered(body: Mapping[str, Any], tools: Mapping[str, Tool]) -> Iterator[tuple[Tool, Mapping[str, Any], str]]:
    """The calls of tools that were answered: the tool, its arguments, what came back."""
    by_name, calls = {tool.name: tool for tool in tools.values()}, dict[str, Any]()
    for message in body["messages"]:
        calls |= {call["id"]: call["function"] for call in message.get("tool_calls") or ()}
        function = calls.get(str(message.get("tool_call_id"))) if message["role"] == "tool" else None
        if function and function["name"] in by_name:
            yield by_name[function["name"]], _arguments(function["arguments"]), text_of(message.get("content"))


def _arguments(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _path_read(tool: Tool, arguments: Mapping[str, Any]) -> str:
    if tool.kind == "read":
        return str(arguments.get(tool.param("path", "file", "file_path") or "path", ""))
    found = (
        _CAT.match(str(arguments.get(tool.param("command", "cmd") or "command", ""))) if tool.kind == "shell" else None
    )
    return found[1] if found else ""


def _is_test(tool: Tool, arguments: Mapping[str, Any]) -> bool:
    return tool.kind == "shell" and arguments.get(tool.param("command", "cmd") or "command") == TEST_COMMAND


def _read(desk: Desk, path: str) -> Calls:
    if tool := desk.tools.get("read"):
        return [(tool.name, {tool.param("path", "file", "file_path") or "path": path})]
    return _shell(desk, f"cat {path}")


def _shell(desk: Desk, command: str) -> Calls:
    tool = desk.tools.get("shell")
    return [(tool.name, {tool.param("command", "cmd") or "command": command})] if tool else []


def _tests(desk: Desk) -> Calls:
    tool = desk.tools.get("test")
    return [(tool.name, {})] if tool else _shell(desk, TEST_COMMAND)


def _submit(desk: Desk) -> Calls:
    tool = desk.tools.get("submit")
    return [(tool.name, {})] if tool else []


def _changes(desk: Desk, idea: EditIdea, base: Mapping[str, str]) -> Calls:
    """The files first: some scaffolds end with the first edit after which the tests pass."""
    now, target = desk.under(SCAFFOLD), {**base, **idea.files}
    changed = sorted(path for path, text in target.items() if now.get(path) != text)
    there = [path for path in changed if path in now or "edit" not in desk.tools]
    made = [call for path in there for call in _edit(desk, SCAFFOLD + path, target[path])]
    return [*made, *_paper(desk, idea, {SCAFFOLD + path: target[path] for path in changed if path not in there})]


def _paper(desk: Desk, idea: EditIdea, new_files: Mapping[str, str]) -> Calls:
    """The words of the proposal; an edit can't make a file, so new ones stand in there."""
    said = {"hypothesis": idea.hypothesis, "prediction": idea.prediction, "fixes": list(idea.fixes), "may_break": []}
    text = json.dumps({**said, "new_files": dict(new_files)}, indent=2) + "\n"
    return _edit(desk, PAPER, text) if PAPER in desk.files or "edit" not in desk.tools else []


def _edit(desk: Desk, path: str, text: str) -> Calls:
    """The smallest edit that makes `text` of a file."""
    now = {path: desk.files[path]} if path in desk.files else {}
    parts = smallest_edit(now, path, text)
    tool, old = desk.tools.get("edit"), parts["old"] or now.get(path, "").rstrip("\n")
    if tool is None:
        return _shell(desk, _EDIT_BY_SHELL.format(parts=(path, parts["old"], parts["new"])))
    new = parts["new"] if parts["old"] else text.rstrip("\n")
    line = now.get(path, "").partition(old)[0].count("\n") + 1
    shown = desk.numbered.get(path) or Shown(path, tuple(now.get(path, "").split("\n")))
    return [(tool.name, edit_arguments(tool, shown, old, new, line))]


def _message(desk: Desk, content: str, calls: Calls) -> dict[str, Any]:
    made = []
    for number, (name, arguments) in enumerate(calls):
        function = {"name": name, "arguments": json.dumps(arguments)}
        identity = f"call_{stable_hash(desk.seed, number, name, function['arguments']):016x}"
        made.append({"id": identity, "type": "function", "function": function})
    message: dict[str, Any] = {"role": "assistant", "content": content}
    return {**message, "tool_calls": made} if made else message
