"""The text that an agent gets, from `instruction.md`."""

from __future__ import annotations

import re
from pathlib import Path

from evolve.core.errors import BadInput

# Marks by which data sets are recognised in training data; no part of a task.
_CANARY = re.compile(r"<!--.*canary.*-->|#.*canary.*", re.IGNORECASE)


def read_instruction(file: Path) -> str:
    """Read an instruction without the canary lines at its start. Raises BadInput, also if nothing is left."""
    text = strip_canary(read_text(file))
    if not text.strip():
        raise BadInput(str(file), "is empty", "write what the agent is to do")
    return text


def strip_canary(text: str) -> str:
    """Drop the comment lines with the word canary at the start of a text, and empty lines at the start of the rest."""
    lines = text.split("\n")
    count = next((number for number, line in enumerate(lines) if not _CANARY.fullmatch(line.strip())), len(lines))
    return re.sub(r"\A(?:[^\S\n]*\n)+", "", "\n".join(lines[count:]))


def read_text(file: Path) -> str:
    """Read a text file. Raises BadInput if it can't be read or is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        problem = f"can't be read: {error.strerror or error}"
        raise BadInput(str(file), problem, "name a file that this user may read") from error
    except UnicodeDecodeError as error:
        raise BadInput(str(file), f"is not UTF-8 text: {error.reason}", "save it as UTF-8") from error
