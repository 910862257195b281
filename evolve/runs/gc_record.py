"""Record what `evolve gc` removed of a run in a file in its folder, since rows never change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from evolve.core.errors import BadInput
from evolve.host import disk

FILE = "gc.json"


class GcRecord(BaseModel):
    """The removed branches by name, and files by their path relative to the runs folder, as in the rows."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    branches: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        return not self.branches and not self.files


def read(folder: Path) -> GcRecord:
    """Read the record in a run's folder; empty if there is none. Raises BadInput if it cannot be read."""
    file = folder / FILE
    try:
        return GcRecord.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return GcRecord()
    except (OSError, ValidationError) as error:
        raise BadInput(
            str(file), "can't be read", "restore it from a backup or move it away: it lists what `evolve gc` removed"
        ) from error


def add(folder: Path, branches: Iterable[str] = (), files: Iterable[str] = ()) -> None:
    """Record what is about to be removed, in an atomic write. The caller holds the run's lock."""
    old = read(folder)
    new = {"branches": sorted({*old.branches, *branches}), "files": sorted({*old.files, *files})}
    disk.write_atomically(folder / FILE, GcRecord.model_validate(new).model_dump_json(indent=1).encode("utf-8"))
