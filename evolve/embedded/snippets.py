"""Small modules that idioms add to a scaffold: each is a whole file, which other files call."""

UNDO = '''"""Takes back edits that did not make the tests pass."""

import evolve_door as door

_kept = {}


def keep(path):
    """Remember a file's text before it is edited."""
    _kept.setdefault(path, door.read(path))


def settle(passed, words):
    """Put the kept texts back unless the tests passed, and say so after the words."""
    changed = {} if passed else dict(_kept)
    _kept.clear()
    for path, text in changed.items():
        door.write(path, text)
    if not changed:
        return words
    return f"{words}\\nThe tests still fail: {', '.join(sorted(changed))} was restored."
'''

TRIED = '''"""Remembers the edits that were tried, and shows them to the model."""

MOST = 40

_lines = []


def add(path, old, new):
    """Remember one edit."""
    line = f"tried: {path} | {old.strip()} | {new.strip()}"
    if line not in _lines:
        _lines.append(line)


def note():
    """The message that lists them, or none."""
    text = "\\n".join(_lines[-MOST:])
    return [{"role": "user", "content": f"Edits that were tried already:\\n{text}"}] if text else []
'''

RECENT = '''"""Keeps the conversation short: its start and its latest turns."""

ROOM = {room}
START = {start}


def part(messages):
    """The first messages, and as many of the last as there is room for."""
    head, tail, used = messages[:START], [], 0
    while head and head[-1].get("tool_calls"):
        head = head[:-1]
    for message in reversed(messages[len(head) :]):
        used += len(str(message))
        if used > ROOM:
            break
        tail.insert(0, message)
    while tail and tail[0]["role"] == "tool":
        tail.pop(0)
    return head + tail
'''

SOURCES = '''"""Shows the project's files to the model as they are now."""

import evolve_door as door

LIST = "find . -name '*.py' -not -path '*/tests/*' -not -name '__init__.py' | sort | cut -c3-"
MOST = 6000


def note():
    """The message that shows the files."""
    shown = [f'<file path="{path}">\\n{door.read(path)}\\n</file>' for path in door.run(LIST).stdout.split()]
    return [{"role": "user", "content": "\\n".join(shown)}] if len("".join(shown)) < MOST else []
'''

LINES = '''"""Line numbers: in what is shown, and to find the right one of equal lines."""


def numbered(text):
    """The text with a number before each line."""
    return "\\n".join(f"{number:4}| {line}" for number, line in enumerate(text.split("\\n"), 1))


def replace(text, old, new, line):
    """Replace `old` where it starts at the line given; else its first occurrence."""
    start = sum(len(one) + 1 for one in text.split("\\n")[: line - 1]) if isinstance(line, int) else 0
    if not text.startswith(old, start):
        start = text.find(old)
    return text[:start] + new + text[start + len(old) :]
'''

RANKED = '''"""Ranks the project's lines by how much more the failing tests run them than the passing ones."""

from pathlib import Path

import evolve_door as door

SCRIPT = "/tmp/rank_lines.py"
MOST = 60

_lines = []


def note():
    """The message that lists the lines; measured once."""
    if not _lines:
        door.write(SCRIPT, Path(__file__).with_name("rank_lines.py").read_text())
        output = door.run(f"timeout 10 python3 {SCRIPT}", timeout=15).stdout
        _lines.extend(line for line in output.splitlines() if line.startswith("suspicious: "))
    return [{"role": "user", "content": "\\n".join(_lines[:MOST])}] if _lines else []
'''

RANK_LINES = '''"""Prints `suspicious: file:line score` for each line that a failing test runs."""

import os
import sys
import unittest
from collections import Counter

ROOT = os.getcwd()


def flatten(suite):
    """The single tests of a suite."""
    for part in suite:
        yield from flatten(part) if isinstance(part, unittest.TestSuite) else [part]


def ran(test):
    """Whether a test passed, and the project's lines that it ran."""
    seen, result = set(), unittest.TestResult()

    def trace(frame, event, _):
        path = os.path.relpath(frame.f_code.co_filename, ROOT)
        if path.startswith(("..", "tests", "<")):
            return None
        seen.add((path, frame.f_lineno))
        return trace

    sys.settrace(trace)
    test.run(result)
    sys.settrace(None)
    return result.wasSuccessful(), seen


def main():
    """Score each line by Ochiai's formula."""
    sys.path.insert(0, ROOT)
    bad, good, failures = Counter(), Counter(), 0
    for test in flatten(unittest.defaultTestLoader.discover(ROOT)):
        passed, seen = ran(test)
        failures += not passed
        (good if passed else bad).update(seen)
    scores = {at: bad[at] / (failures * (bad[at] + good[at])) ** 0.5 for at in bad}
    for (path, line), score in sorted(scores.items(), key=lambda item: (-item[1], item[0])):
        print(f"suspicious: {path}:{line} {score:.2f}")


main()
'''

PROGRESS = '''"""Tells whether an edit made fewer tests fail than any before."""

import re

_fewest = []


def made(output):
    """Whether the output counts fewer failures than were seen before; the first output is the measure."""
    count = sum(int(number) for number in re.findall(r"(?:failures|errors)=(\\d+)", output))
    better = bool(_fewest) and count < min(_fewest)
    _fewest.append(count)
    return better
'''

ONCE = '''"""Knows which edits were tried."""

_seen = set()


def again(path, old, new):
    """Whether this edit was asked for before."""
    known = (path, old, new) in _seen
    _seen.add((path, old, new))
    return known
'''
