"""Read a conversation into a `View`, which is all that the solver knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from evolve.embedded.operators import squeeze
from evolve.embedded.reports import Report, is_library_path, is_test_path, looks_like_tests, read_report
from evolve.embedded.shown import Shown, same_path, show
from evolve.embedded.tools import Tool, read_tools

_FILE = re.compile(r'<file path="([^"\n]+)"[^>\n]*>\n?(.*?)(?:\n?</file>|(?=<file path=)|\Z)', re.DOTALL)
_TESTS = re.compile(r"<tests[^>\n]*>(.*?)(?:</tests>|\Z)", re.DOTALL)
_SUSPICIOUS = re.compile(r"^\s*suspicious: (\S+):(\d+) ([0-9.]+)\s*$", re.MULTILINE)
_TRIED = re.compile(r"^\s*tried: (\S+?)(?::(\d+))? \| (.*(?:\n[ \t]+(?!tried:|suspicious:)\S.*)*)$", re.MULTILINE)
_PATHS = re.compile(r"(?<![\w./-])[\w./-]+\.py\b")
_REFUSED = re.compile(r"error|failed|not found|no such|refused|invalid|not unique|unchanged", re.IGNORECASE)
_UNDONE = re.compile(r"\b(?:reverted|restored|undone)\b", re.IGNORECASE)
_CAT = re.compile(r"^\s*cat (?:-n )?(\S+)\s*$")


@dataclass(frozen=True)
class Call:
    """An earlier tool call of the model; `arguments` is empty if they can't be parsed."""

    kind: str
    name: str
    arguments: Mapping[str, Any]
    raw: str


@dataclass(frozen=True)
class View:
    """What the conversation shows. Times are message numbers; -1: never.

    files: latest text by path; known: paths mentioned anywhere; unread: paths that could not be read;
    suspicion: weight by (path, line); tried: (path, line or 0, "old | new" with single spaces).
    """

    tools: Mapping[str, Tool]
    files: Mapping[str, Shown]
    known: tuple[str, ...]
    unread: frozenset[str]
    report: Report | None
    suspicion: Mapping[tuple[str, int], float]
    tried: frozenset[tuple[str, int, str]]
    last_call: Call | None
    last_edit: Call | None
    edited_at: int
    tested_at: int
    listed: bool


def text_of(content: object) -> str:
    """The text of a message's content: a string, a list of parts, or null."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return ""


@dataclass
class _Reader:
    """Builds a View, message by message."""

    tools: dict[str, Tool]
    files: dict[str, Shown] = field(default_factory=dict)
    before: dict[str, Shown] = field(default_factory=dict)
    known: dict[str, None] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    report: Report | None = None
    suspicion: dict[tuple[str, int], float] = field(default_factory=dict)
    tried: set[tuple[str, int, str]] = field(default_factory=set)
    calls: dict[str, Call] = field(default_factory=dict)
    last_call: Call | None = None
    last_edit: Call | None = None
    edited_at: int = -1
    tested_at: int = -1
    listed: bool = False
    clock: int = 0

    def read_message(self, message: Mapping[str, Any]) -> None:
        self.clock += 1
        if message["role"] == "assistant":
            self._read_calls(message)
            return
        text = text_of(message.get("content"))
        call = self.calls.get(str(message.get("tool_call_id"))) if message["role"] == "tool" else None
        if call:
            self._read_result(call, text)
        self._scan(text, tested=call is not None and call.kind == "test")

    def _read_calls(self, message: Mapping[str, Any]) -> None:
        for call in message.get("tool_calls") or ():
            name, raw = call["function"]["name"], call["function"]["arguments"]
            kind = next((tool.kind for tool in self.tools.values() if tool.name == name), "other")
            self.last_call = self.calls[call["id"]] = Call(kind, name, _arguments(raw), raw)

    def _read_result(self, call: Call, text: str) -> None:
        if call.kind == "edit":
            self._read_edit(call, text)
        elif call.kind in ("read", "shell"):
            self._read_shown_file(call, text)
        if call.kind == "list" or (call.kind == "shell" and "ls" in str(call.arguments)):
            self.listed = True

    def _read_edit(self, call: Call, text: str) -> None:
        start = text.split("\n", 1)[0] if looks_like_tests(text) else text
        if _REFUSED.search(start) or _UNDONE.search(text):
            return
        shown = self._find(_argument(call, "path", "file", "file_path"))
        changed = shown and _apply_edit(shown, call)
        if shown and changed:
            self.before[shown.path], self.files[shown.path] = shown, changed
            self.last_edit, self.edited_at = call, self.clock

    def _read_shown_file(self, call: Call, text: str) -> None:
        cat = _CAT.match(_argument(call, "command", "cmd"))
        path = _argument(call, "path", "file", "file_path") if call.kind == "read" else cat[1] if cat else ""
        if not path or "<file path=" in text:
            return
        if "\n" not in text.strip() and _REFUSED.search(text):
            self.unread.add(path)
        else:
            self._show(path, text)

    def _show(self, path: str, text: str) -> None:
        if not path.endswith(".py") or is_test_path(path):
            return
        old = self._find(path)
        if old:
            del self.files[old.path]
            self.before.pop(old.path, None)
        self.files[path] = show(path, text)

    def _find(self, path: str) -> Shown | None:
        return next((shown for known, shown in self.files.items() if same_path(known, path)), None)

    def _scan(self, text: str, tested: bool) -> None:
        if _UNDONE.search(_FILE.sub("", text)):
            self.files.update(self.before)
            self.before.clear()
        for path, body in _FILE.findall(text):
            self._show(path, body)
        rest = _FILE.sub("", text)
        outputs = _TESTS.findall(rest) or ([rest] if tested or looks_like_tests(rest) else [])
        if outputs:
            self.report, self.tested_at = read_report(outputs[-1]), self.clock
        listed = {(path, int(line)): float(weight) for path, line, weight in _suspicion_weights(rest)}
        self.suspicion = listed or self.suspicion
        for path, line, change in _TRIED.findall(rest):
            self.tried.add((path, int(line or 0), squeeze(change)))
        for path in _PATHS.findall(_TRIED.sub("", rest)):
            self.known[path] = None

    def view(self) -> View:
        return View(
            self.tools,
            self.files,
            tuple(path for path in self.known if not is_test_path(path) and not is_library_path(path)),
            frozenset(self.unread),
            self.report,
            self.suspicion,
            frozenset(self.tried),
            self.last_call,
            self.last_edit,
            self.edited_at,
            self.tested_at,
            self.listed,
        )


def read_view(body: Mapping[str, Any]) -> View:
    """Read a checked request: its messages in order, and its tools."""
    reader = _Reader(read_tools(body))
    for message in body["messages"]:
        reader.read_message(message)
    return reader.view()


def _suspicion_weights(text: str) -> Iterator[tuple[str, str, float]]:
    for path, line, weight in _SUSPICIOUS.findall(text):
        if re.fullmatch(r"\d+(\.\d*)?|\.\d+", weight):
            yield path, line, min(1.0, float(weight))


def _arguments(raw: str) -> Mapping[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _argument(call: Call, *names: str) -> str:
    return next((str(call.arguments[name]) for name in names if name in call.arguments), "")


def _apply_edit(shown: Shown, call: Call) -> Shown | None:
    """The file after the edit; None if it does not contain the old text."""
    old = _argument(call, "old", "old_text", "old_str", "search").split("\n")
    new = _argument(call, "new", "new_text", "new_str", "replace").split("\n")
    line = call.arguments.get("line")
    starts = [at for at in range(len(shown.lines)) if list(shown.lines[at : at + len(old)]) == old]
    if isinstance(line, int) and line > 0:
        starts = [at for at in starts if shown.number(at + 1) == line]
    if not starts:
        return None
    at, grown = starts[0], len(new) - len(old)
    lines = (*shown.lines[:at], *new, *shown.lines[at + len(old) :])
    if shown.numbers is None:
        return Shown(shown.path, lines)
    first = shown.numbers[at]
    middle = tuple(range(first, first + len(new)))
    later = tuple(number + grown for number in shown.numbers[at + len(old) :])
    return Shown(shown.path, lines, (*shown.numbers[:at], *middle, *later))
