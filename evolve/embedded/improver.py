"""The improver role: work on the scaffold's own files with its own tools. Read them, draw an idea, write the edits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from random import Random
from typing import Any

from evolve.core.fences import section
from evolve.core.records import stable_hash
from evolve.embedded.knobs import Knobs, uniform
from evolve.embedded.messages import text_of
from evolve.embedded.policy import TEST_COMMAND, edit_arguments
from evolve.embedded.proposer import FROZEN, EditIdea, ProposalRequest, draw_idea, smallest_edit
from evolve.embedded.shown import Shown, show
from evolve.embedded.tools import Tool, read_tools

MARK = "<improve-scaffold>"
NOTHING_CHANGED = "the scaffold changed nothing"
SCAFFOLD, BEFORE = "scaffold/", "before/"
DIGEST_FILE, MEMORY_FILE, PROPOSAL_FILE = "notes/digest.md", "notes/memory.md", "proposal.json"
# Some scaffolds drop earlier messages: sometimes read one file only, and sometimes stop reading.
READ_ONE_CHANCE, STOP_READING_CHANCE = 0.25, 0.15

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
class ImproverView:
    """What the conversation shows.

    files: texts by path as last read; listed: the paths that the task names; edited, tested: whether edits were made,
    and the tests run after them; refused: the ideas that were refused, one per line; one_at_a_time: the last idea
    changed no file, so the scaffold may not support several calls in one message.
    """

    tools: Mapping[str, Tool]
    seed: int
    listed: tuple[str, ...]
    files: Mapping[str, str]
    numbered: Mapping[str, Shown]
    unread: frozenset[str]
    edited: bool
    tested: bool
    refused: str
    one_at_a_time: bool

    @property
    def must_undo(self) -> bool:
        """Whether a refused idea changed files."""
        return any(NOTHING_CHANGED not in line for line in self.refused.splitlines())

    def files_in(self, folder: str) -> dict[str, str]:
        """The scaffold's files in a folder, by path relative to it."""
        files = {path.removeprefix(folder): text for path, text in self.files.items() if path.startswith(folder)}
        return {path: text for path, text in files.items() if path not in FROZEN}

    def original_files(self) -> dict[str, str]:
        """The files before all changes, reconstructed where they are shown only in part.

        A text without a newline at its end was cut off.
        """
        now, original = self.files_in(SCAFFOLD), self.files_in(BEFORE)
        parts = {
            path
            for path in original.keys() & now.keys()
            if not original[path].endswith("\n") or not now[path].endswith("\n")
        }
        return {path: undo_changes(now[path], text) if path in parts else text for path, text in original.items()}

    def missing_files(self) -> list[str]:
        """The paths that must still be read before an idea can be drawn."""
        folders = (SCAFFOLD, BEFORE) if self.must_undo else (SCAFFOLD,)
        names = [
            path
            for path in self.listed
            if path.startswith(folders) or path in (DIGEST_FILE, MEMORY_FILE, PROPOSAL_FILE)
        ]
        return [path for path in names if path not in self.files and path not in self.unread]


def asked_to_improve(body: Mapping[str, Any]) -> bool:
    """Whether the conversation's task is to improve the scaffold."""
    return any(MARK in text for text in _task_texts(body))


def improve(body: Mapping[str, Any], knobs: Knobs) -> dict[str, Any]:
    """Answer a request to improve the scaffold: a pure function of the body. Returns the assistant's message."""
    view = _read_view(body)
    if not view.tools.keys() & {"edit", "shell"}:
        return _message(view, "I change nothing.", _submit(view))
    if view.edited:
        again = [] if view.tested else _run_tests(view)
        return _message(view, "It is done.", again or _submit(view))
    wanted, files = view.missing_files(), view.files_in(SCAFFOLD)
    if wanted and not (files and uniform(view.seed, "go on") < STOP_READING_CHANCE):
        alone = view.one_at_a_time or uniform(view.seed, "read one") < READ_ONE_CHANCE
        paths = [Random(view.seed).choice(wanted)] if alone else wanted
        return _message(view, "I read first.", [call for path in paths for call in _read_file(view, path)])
    base = (view.original_files() if view.must_undo else {}) or files
    brief = ProposalRequest(base, view.files.get(DIGEST_FILE, ""), view.files.get(MEMORY_FILE, ""), view.refused)
    idea = draw_idea(brief, Random(stable_hash(view.seed, "proposal")))
    return _message(view, idea.hypothesis, [*_changes(view, idea, base), *_submit(view)])


def undo_changes(now: str, before: str) -> str:
    """Reconstruct a text before the changes from `before`, whose end may be cut off.

    After the last lines that both share, the result is as `now`.
    """
    current, original = now.split("\n"), before.split("\n")
    *shared, _ = SequenceMatcher(None, current, original, autojunk=False).get_matching_blocks()
    if not shared:
        return before
    last = shared[-1]
    return "\n".join([*original[: last.b + last.size], *current[last.a + last.size :]])


def _task_texts(body: Mapping[str, Any]) -> Iterator[str]:
    """The texts of all messages that neither the model nor a tool wrote."""
    yield from (
        text_of(message.get("content")) for message in body["messages"] if message["role"] not in ("assistant", "tool")
    )


def _read_view(body: Mapping[str, Any]) -> ImproverView:
    tools, context = read_tools(body), "\n".join(_task_texts(body))
    task = context[context.rfind(MARK) :]
    names = _FILES.search(task)
    files, unread = dict(_shown_files(context)), set()
    edited = tested = False
    for tool, arguments, result in _answered_calls(body, tools):
        path = _path_read(tool, arguments)
        if path and "\n" not in result.strip() and _REFUSED.search(result):
            unread.add(path)
        elif path:
            files[path] = result
        elif tool.kind in ("edit", "shell"):
            edited, tested = edited or not _is_test(tool, arguments), tested or _is_test(tool, arguments)
        tested = tested or tool.kind == "test"
    numbered = {path: shown for path, text in files.items() if (shown := show(path, text)).numbers}
    files |= {path: shown.text for path, shown in numbered.items()}
    return ImproverView(
        tools=tools,
        seed=int(body.get("seed") or 0),
        listed=tuple(names[1].split("\n")) if names else (),
        files=files,
        numbered=numbered,
        unread=frozenset(unread),
        edited=edited,
        tested=tested,
        refused=section(task, "refused").strip(),
        one_at_a_time=NOTHING_CHANGED in section(task, "problem"),
    )


def _shown_files(text: str) -> Iterator[tuple[str, str]]:
    """The files that the scaffold includes in its prompts."""
    yield from ((path.removeprefix("./"), body + "\n") for path, body in _SHOWN.findall(text))


def _answered_calls(
    body: Mapping[str, Any], tools: Mapping[str, Tool]
) -> Iterator[tuple[Tool, Mapping[str, Any], str]]:
    """The tool calls with a result: tool, arguments, result."""
    by_name, calls = {tool.name: tool for tool in tools.values()}, dict[str, Any]()
    for message in body["messages"]:
        calls |= {call["id"]: call["function"] for call in message.get("tool_calls") or ()}
        function = calls.get(str(message.get("tool_call_id"))) if message["role"] == "tool" else None
        if function and function["name"] in by_name:
            yield by_name[function["name"]], _arguments(function["arguments"]), text_of(message.get("content"))


def _arguments(text: str) -> Mapping[str, Any]:
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return arguments if isinstance(arguments, dict) else {}


def _path_read(tool: Tool, arguments: Mapping[str, Any]) -> str:
    if tool.kind == "read":
        return str(arguments.get(tool.param("path", "file", "file_path") or "path", ""))
    match = (
        _CAT.match(str(arguments.get(tool.param("command", "cmd") or "command", ""))) if tool.kind == "shell" else None
    )
    return match[1] if match else ""


def _is_test(tool: Tool, arguments: Mapping[str, Any]) -> bool:
    return tool.kind == "shell" and arguments.get(tool.param("command", "cmd") or "command") == TEST_COMMAND


def _read_file(view: ImproverView, path: str) -> Calls:
    if tool := view.tools.get("read"):
        return [(tool.name, {tool.param("path", "file", "file_path") or "path": path})]
    return _run_shell(view, f"cat {path}")


def _run_shell(view: ImproverView, command: str) -> Calls:
    tool = view.tools.get("shell")
    return [(tool.name, {tool.param("command", "cmd") or "command": command})] if tool else []


def _run_tests(view: ImproverView) -> Calls:
    tool = view.tools.get("test")
    return [(tool.name, {})] if tool else _run_shell(view, TEST_COMMAND)


def _submit(view: ImproverView) -> Calls:
    tool = view.tools.get("submit")
    return [(tool.name, {})] if tool else []


def _changes(view: ImproverView, idea: EditIdea, base: Mapping[str, str]) -> Calls:
    """Edit the files before the proposal: some scaffolds end with the first edit after which the tests pass."""
    now, target = view.files_in(SCAFFOLD), {**base, **idea.files}
    changed = sorted(path for path, text in target.items() if now.get(path) != text)
    editable = [path for path in changed if path in now or "edit" not in view.tools]
    calls = [call for path in editable for call in _edit(view, SCAFFOLD + path, target[path])]
    return [
        *calls,
        *_write_proposal(view, idea, {SCAFFOLD + path: target[path] for path in changed if path not in editable}),
    ]


def _write_proposal(view: ImproverView, idea: EditIdea, new_files: Mapping[str, str]) -> Calls:
    """Write the proposal file. An edit tool can't create files, so the proposal holds the new ones."""
    proposal = {
        "hypothesis": idea.hypothesis,
        "prediction": idea.prediction,
        "fixes": list(idea.fixes),
        "may_break": [],
    }
    text = json.dumps({**proposal, "new_files": dict(new_files)}, indent=2) + "\n"
    return _edit(view, PROPOSAL_FILE, text) if PROPOSAL_FILE in view.files or "edit" not in view.tools else []


def _edit(view: ImproverView, path: str, text: str) -> Calls:
    """The smallest edit that turns a file into `text`."""
    now = {path: view.files[path]} if path in view.files else {}
    parts = smallest_edit(now, path, text)
    tool, old = view.tools.get("edit"), parts["old"] or now.get(path, "").rstrip("\n")
    if tool is None:
        return _run_shell(view, _EDIT_BY_SHELL.format(parts=(path, parts["old"], parts["new"])))
    new = parts["new"] if parts["old"] else text.rstrip("\n")
    line = now.get(path, "").partition(old)[0].count("\n") + 1
    shown = view.numbered.get(path) or Shown(path, tuple(now.get(path, "").split("\n")))
    return [(tool.name, edit_arguments(tool, shown, old, new, line))]


def _message(view: ImproverView, content: str, calls: Calls) -> dict[str, Any]:
    tool_calls = []
    for number, (name, arguments) in enumerate(calls):
        function = {"name": name, "arguments": json.dumps(arguments)}
        identity = f"call_{stable_hash(view.seed, number, name, function['arguments']):016x}"
        tool_calls.append({"id": identity, "type": "function", "function": function})
    message: dict[str, Any] = {"role": "assistant", "content": content}
    return {**message, "tool_calls": tool_calls} if tool_calls else message
