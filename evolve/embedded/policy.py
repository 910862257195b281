"""The solver's next action: read, run the tests, edit or submit, sometimes with a mistake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evolve.embedded.knobs import Knobs, uniform
from evolve.embedded.messages import View, read_view
from evolve.embedded.operators import CandidateEdit
from evolve.embedded.shown import Shown, same_path
from evolve.embedded.tools import Tool
from evolve.embedded.weights import choose

TEST_COMMAND = "python3 -m unittest"
LIST_COMMAND = "ls"
TEST_AFTER_EDIT_CHANCE = 0.9
READ_ON_CHANCE = 0.5


@dataclass(frozen=True)
class Turn:
    """Everything that one answer depends on."""

    view: View
    seed: int
    heat: float
    knobs: Knobs

    def chance(self, what: str, probability: float) -> bool:
        return uniform(self.seed, what) < probability


def solve(body: Mapping[str, Any], knobs: Knobs) -> dict[str, Any]:
    """Answer a checked request.

    Returns:
        The assistant's message: one tool call, or text if no tool fits.
    """
    turn = Turn(read_view(body), int(body.get("seed") or 0), knobs.heat(body), knobs)
    if turn.chance("give up", knobs.give_up):
        return _submit(turn, "I give up.")
    last = turn.view.last_call
    if last and turn.chance("repeat", knobs.repeat):
        return _call(turn, last.name, last.raw)
    return _maybe_cut_short(turn, _next(turn))


def _next(turn: Turn) -> dict[str, Any]:
    view = turn.view
    if not view.files:
        return _look(turn) or _submit(turn, "No source to work on.")
    traced = _unseen_traced_file(view)
    if traced and view.tools.get("read"):
        return _read(turn, traced)
    if view.report is None:
        return _run_tests(turn) or _edit(turn)
    if view.edited_at > view.tested_at:
        tests = _run_tests(turn) if turn.chance("tests after edit", TEST_AFTER_EDIT_CHANCE) else None
        return tests or _edit(turn)
    if view.report.passed:
        return _submit(turn, "The tests pass.")
    if turn.chance("read on", READ_ON_CHANCE):
        return _look(turn, only_read=True) or _edit(turn)
    return _edit(turn)


def _unseen_traced_file(view: View) -> str | None:
    frames = view.report.frames if view.report else ()
    return next((path for path, _, _ in reversed(frames) if _unseen(view, path)), None)


def _unseen(view: View, path: str) -> bool:
    return not any(same_path(path, other) for other in (*view.files, *view.unread))


def _look(turn: Turn, only_read: bool = False) -> dict[str, Any] | None:
    """Read a file that was mentioned but not shown, or else list the files."""
    view = turn.view
    able = view.tools.keys() & {"read", "shell"}
    unseen = [path for path in view.known if _unseen(view, path) and not path.endswith("__init__.py")]
    if able and unseen:
        return _read(turn, unseen[0])
    if only_read or view.listed:
        return None
    if "list" in view.tools:
        return _call(turn, view.tools["list"].name, "{}")
    return _shell(turn, LIST_COMMAND)


def _read(turn: Turn, path: str) -> dict[str, Any]:
    tool = turn.view.tools.get("read")
    if tool:
        return _call(turn, tool.name, json.dumps({tool.param("path", "file", "file_path") or "path": path}))
    return _shell(turn, f"cat {path}") or _submit(turn, "No way to read.")


def _run_tests(turn: Turn) -> dict[str, Any] | None:
    tool = turn.view.tools.get("test")
    return _call(turn, tool.name, "{}") if tool else _shell(turn, TEST_COMMAND)


def _shell(turn: Turn, command: str) -> dict[str, Any] | None:
    tool = turn.view.tools.get("shell")
    return _call(turn, tool.name, json.dumps({tool.param("command", "cmd") or "command": command})) if tool else None


def _submit(turn: Turn, text: str) -> dict[str, Any]:
    tool = turn.view.tools.get("submit")
    return _call(turn, tool.name, "{}") if tool else {"role": "assistant", "content": text}


def _edit(turn: Turn) -> dict[str, Any]:
    undo = _undo(turn)
    if undo:
        return undo
    view, knobs = turn.view, turn.knobs
    repeats = turn.chance("repeat an edit", knobs.repeat)
    choice = choose(view, view.files, turn.seed, turn.heat, knobs, repeats)
    if choice is None:
        return _look(turn) or _submit(turn, "Nothing left to try.")
    shown, candidate = choice
    return _change(turn, shown, candidate.old, _slip(turn, candidate), shown.number(candidate.first))


def _undo(turn: Turn) -> dict[str, Any] | None:
    """Revert the last edit if it broke the syntax."""
    view = turn.view
    kinds = view.report.kinds if view.report else frozenset()
    tool, last = view.tools.get("edit"), view.last_edit
    if not tool or not last or not kinds & {"SyntaxError", "IndentationError", "TabError"}:
        return None
    old, new = (
        tool.param("old", "old_text", "old_str", "search"),
        tool.param("new", "new_text", "new_str", "replace"),
    )
    if old is None or new is None or old not in last.arguments or new not in last.arguments:
        return None
    return _call(turn, tool.name, json.dumps({**last.arguments, old: last.arguments[new], new: last.arguments[old]}))


def _slip(turn: Turn, candidate: CandidateEdit) -> str:
    """The new text, sometimes with a mistake: unchanged, or with broken syntax."""
    if turn.chance("empty edit", turn.knobs.empty_edit):
        return candidate.old
    if turn.chance("broken syntax", turn.knobs.broken_syntax):
        end = candidate.new.rstrip()
        return end[:-1] if end.endswith((")", ":", "]", "}")) else f"{end} ("
    return candidate.new


def _change(turn: Turn, shown: Shown, old: str, new: str, line: int) -> dict[str, Any]:
    tool = turn.view.tools.get("edit")
    if tool is None:
        content = f"In {shown.path}, line {line}, replace\n```\n{old}\n```\nwith\n```\n{new}\n```"
        return {"role": "assistant", "content": content}
    return _call(turn, tool.name, json.dumps(edit_arguments(tool, shown, old, new, line)))


def edit_arguments(tool: Tool, shown: Shown, old: str, new: str, line: int) -> dict[str, Any]:
    """The tool's arguments for an edit, with the line if the tool takes one and line numbers were shown."""
    arguments: dict[str, Any] = {
        tool.param("path", "file", "file_path") or "path": shown.path,
        tool.param("old", "old_text", "old_str", "search") or "old": old,
        tool.param("new", "new_text", "new_str", "replace") or "new": new,
    }
    number = tool.param("line", "line_number", "lineno")
    return arguments | ({number: line} if number and shown.numbers else {})


def _maybe_cut_short(turn: Turn, message: dict[str, Any]) -> dict[str, Any]:
    """The message, sometimes with its tool call cut short."""
    if not message.get("tool_calls") or not turn.chance("malformed", turn.knobs.malformed):
        return message
    function = message["tool_calls"][0]["function"]
    cut = function["arguments"][: max(1, len(function["arguments"]) * 2 // 3)]
    return _call(turn, function["name"], cut)


def _call(turn: Turn, name: str, arguments: str) -> dict[str, Any]:
    identity = f"call_{int(uniform(turn.seed, name, arguments) * 2**48):012x}"
    function = {"name": name, "arguments": arguments}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": identity, "type": "function", "function": function}],
    }
