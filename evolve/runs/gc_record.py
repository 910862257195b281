"""What `evolve gc` has taken from a run: a file in the run's folder, since rows are facts and never change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from evolve.core.errors import BadInput
from evolve.host import disk

FILE = "gc.json"


class GcRecord(BaseModel):
    """Branches by name; files by their path relative to the runs folder, as the rows name them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    branches: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()

    @property
    def nothing(self) -> bool:
        return not self.branches and not self.files


def read(folder: Path) -> GcRecord:
    """Of a run's folder. Raises BadInput for a file that can't be read."""
    file = folder / FILE
    try:
        return GcRecord.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return GcRecord()
    except (OSError, ValidationError) as error:
        raise BadInput(
            str(file), "can't be read", "it lists what `evolve gc` removed: put it back, or move it away"
        ) from error


def add(folder: Path, branches: Iterable[str] = (), files: Iterable[str] = ()) -> None:
    """Note what is about to be removed; the file is whole at any time. The caller holds the run's lock."""
    old = read(folder)
    new = {"branches": sorted({*old.branches, *branches}), "files": sorted({*old.files, *files})}
    disk.write_whole(folder / FILE, GcRecord.model_validate(new).model_dump_json(indent=1).encode("utf-8"))
