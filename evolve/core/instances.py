"""A task's instance: the files that a generator wrote for one seed, in the place of the task's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FileContent:
    """A file's bytes, and whether it is executable."""

    data: bytes
    executable: bool = False


@dataclass(frozen=True)
class Instance:
    """What one seed puts in the place of a task's own files.

    instruction: None: the task's own; files: by path, under `workdir/`, `tests/` or `solution/`.
    """

    seed: int
    instruction: str | None
    files: Mapping[str, FileContent]

    def part(self, folder: str) -> dict[str, FileContent]:
        """The files of one of the folders, by path in it."""
        top = f"{folder}/"
        return {path.removeprefix(top): file for path, file in self.files.items() if path.startswith(top)}
