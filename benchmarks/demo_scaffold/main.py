"""Tries one edit after another, each from a fresh prompt; a tool call that is no JSON ends it, which is its flaw."""

import json

import evolve_door as door
import project
from settings import SETTINGS, prompt

TEXT = {"type": "string"}
EDIT = {
    "type": "object",
    "properties": {"path": TEXT, "old": TEXT, "new": TEXT, "line": {"type": "integer"}},
    "required": ["path", "old", "new"],
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "edit",
            "description": "Replace `old`, which starts at `line`.",
            "parameters": EDIT,
        },
    }
]


def hints(state, room):
    """What was tried, newest first, and the suspicious lines, most suspicious first, as far as there is room."""
    first, rest = state["ranked"][: SETTINGS["agent"]["sure_ranks"]], state["ranked"][SETTINGS["agent"]["sure_ranks"] :]
    lines = []
    for line in (*first, *reversed(state["tried"]), *rest):
        room -= len(line) + 1
        if room > 0:
            lines.append(line)
    return "\n".join(lines)


def fresh(task, state):
    """The whole prompt, made anew each turn: only files that a failing test runs, and the hints that fit."""
    suspects = {path: project.lines_of(path, state["ranked"]) for path in state["files"]}
    files = "\n".join(
        f'<file path="{path}">\n{project.numbered(text, suspects[path])}\n</file>'
        for path, text in state["files"].items()
        if suspects[path] or not any(suspects.values())
    )
    room = SETTINGS["agent"]["context_chars"] - len(files) - len(task["instruction"]) - len(state["tests"])
    values = {"instruction": task["instruction"], "files": files, "tests": state["tests"]}
    words = prompt("task").format(**values, hints=hints(state, room))
    return [{"role": "system", "content": prompt("system")}, {"role": "user", "content": words}]


def turn(task, state):
    """Ask for one edit and try it. True when the tests pass."""
    messages = fresh(task, state)
    reply = door.chat(messages, TOOLS, temperature=SETTINGS["agent"]["temperature"])
    for call in reply.get("tool_calls") or []:
        arguments = json.loads(call["function"]["arguments"])
        if {"path", "old", "new"} <= arguments.keys() and arguments["old"] != arguments["new"]:
            known = {key: arguments[key] for key in ("path", "old", "new", "line") if key in arguments}
            passed, _, tried = project.attempt(**known)
            if tried and tried not in state["tried"]:
                state["tried"].append(tried)
            if passed:
                return True
    return False


def solve(task):
    """Work until the tests pass; the door ends it when the budget is spent."""
    passed, tests = project.run_tests()
    state = {"files": project.sources(), "tests": tests, "tried": [], "ranked": project.suspicious()}
    while not passed:
        try:
            passed = turn(task, state)
        except door.DoorError as error:
            if error.code != "not_found":
                raise


def main():
    try:
        solve(door.task())
    except door.DoorError as error:
        print(f"stopped: {error.code} {error.message}")


if __name__ == "__main__":
    main()
