"""Scaffolds as attackers write them."""

from __future__ import annotations

SOLUTION = "def answer(): return 42\ndef words(text): return text.split()\ndef even(number): return number % 2 == 0\n"
COMMANDS = """
import evolve_door as door
for command in {commands!r}:
    done = door.run(command, {timeout})
    print(done.exit_code, done.stdout, done.stderr, flush=True)
raise SystemExit({status})
"""
WRITES = """
import evolve_door as door
door.write({path!r}, {text!r})
"""


def commands(*scripts: str, timeout: float = 30.0, status: int = 0) -> str:
    """A scaffold that runs these in the task's container, prints what came of it, and ends with `status`."""
    return COMMANDS.format(commands=scripts, timeout=timeout, status=status)


def writes(path: str, text: str) -> str:
    """A scaffold that leaves one file."""
    return WRITES.format(path=path, text=text)
