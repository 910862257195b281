"""What is wrong with a command line, in one line with the command whose help shows more."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from typer.exceptions import TyperException

# Pydantic's words, which Typer passes on, and ours.
WORDS = (
    (r"Value error, ", ""),
    (r"Input should be a valid integer(, unable to parse string as an integer)?", "must be a whole number"),
    (r"Input should be a valid number(, unable to parse string as a number)?", "must be a number"),
    (r"Input should be greater than or equal to", "must be at least"),
    (r"Input should be less than or equal to", "must be at most"),
    (r"Input should be", "must be"),
    (r"Invalid value for '([^']*)': ", r"\1: "),
)
CHOICES = re.compile(r"'([^']*)' is not one of (.*)$")


def usage_line(error: TyperException) -> str:
    """The problem, what to do, and the command whose help to read."""
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context else "evolve"
    problem = " ".join(error.format_message().split()).rstrip(".")
    for pattern, words in WORDS:
        problem = re.sub(pattern, words, problem)
    return f"{problem}; {_fix(error, problem, command)}see `{command} --help`"


def _fix(error: TyperException, problem: str, command: str) -> str:
    """What to do, where it is known."""
    context: Any = getattr(error, "ctx", None)
    name = str(getattr(error, "option_name", "") or "").lstrip("-").replace("-", "_")
    parameters = context.command.params if context else []
    if any(one.name == name and one.param_type_name == "argument" for one in parameters):
        return f"give it without the option's name: `{command} {name.upper()}`; "
    if "unexpected extra argument" in problem and any("--run" in one.opts for one in parameters):
        return "name a run with --run; "
    if found := CHOICES.search(problem):
        close = get_close_matches(found[1], re.findall(r"'([^']*)'", found[2]), n=1)
        return f"did you mean {close[0]}? " if close else ""
    return ""
