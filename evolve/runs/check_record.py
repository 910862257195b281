"""What earlier checks of tasks found, so that an interrupted check continues where it stopped."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from evolve import __version__
from evolve.core.errors import BadInput
from evolve.core.records import Split, Task, stable_hash
from evolve.host import disk

RECORD_FILE = "task-checks.jsonl"


@dataclass(frozen=True)
class TaskCheck:
    """The rewards of all tries with the solution and with nothing done; `problem` is empty for a sound task.

    unusable: The problem is a generator that no run could use; nothing was tried. output: The end of what the tests
    printed in the first try with a wrong reward. fault: Why the machine could not check the task, if so. before: An
    earlier check found this. note: What was not checked, or is worth a look.
    """

    task: str
    solution: tuple[float, ...]
    nothing: tuple[float, ...]
    problem: str
    unusable: bool = False
    output: str = ""
    fault: str = ""
    before: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """In one word or sentence."""
        if self.fault:
            return f"not checked: {self.fault}"
        return (self.problem or "sound") + (" (checked before; --again checks it again)" if self.before else "")


class CheckRecord:
    """A file with a line for each finished check; the last one of a key counts.

    Args:
        file: Need not exist yet.
        again: Ignore what is there.
    """

    def __init__(self, file: Path, again: bool = False) -> None:
        self._file = file
        self._known = {} if again else _read(file)

    def find(self, task: Task, image_id: str) -> TaskCheck | None:
        """What was found for this very task and image by this version of Evolve."""
        found = self._known.get(_key(task, image_id))
        return None if found is None else replace(found, task=task.name, before=True)

    def add(self, task: Task, image_id: str, check: TaskCheck) -> None:
        """Note a finished check. Raises BadInput or DiskFull if the file can't be written."""
        line = json.dumps({"key": _key(task, image_id), **asdict(check)}) + "\n"
        try:
            with disk.convert_os_errors(self._file):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                with self._file.open("ab", buffering=0) as lines:  # one write: several processes may add lines
                    lines.write(line.encode())
        except OSError as error:
            raise BadInput(str(self._file), f"can't be written: {error.strerror}", "use another --runs") from error


def _key(task: Task, image_id: str) -> str:
    """Everything that was read of a task counts, except where it lies and in which split it is."""
    content = replace(task, name="", folder=Path(), split=Split.TRAIN)
    return f"{stable_hash(__version__, repr(content), image_id):016x}"


def _read(file: Path) -> dict[str, TaskCheck]:
    """The finished checks by key; lines that are broken or of another version are left out."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return {}
    known = {}
    for line in lines:
        if (entry := _entry(line)) is not None:
            known[entry[0]] = entry[1]
    return known


def _entry(line: bytes) -> tuple[str, TaskCheck] | None:
    try:
        values: dict[str, Any] = json.loads(line)
        key = values.pop("key")
        if set(values) != {field.name for field in fields(TaskCheck)}:
            return None
        rewards = {name: tuple(map(float, values[name])) for name in ("solution", "nothing")}
        return str(key), TaskCheck(**{**values, **rewards})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
