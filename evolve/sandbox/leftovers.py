"""What ended runs left in the engine and among the temporary files: finding it, and removing it where that is safe."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from docker.errors import NotFound

from evolve.host.temporary import is_dead
from evolve.sandbox import engine
from evolve.sandbox.exit_cause import engine_faults

DAY = 86_400.0
Row = dict[str, Any]


@dataclass(frozen=True)
class Leftover:
    """Something that a run left behind.

    Attributes:
        kind: container, volume, image or folder.
        owner: The run that made it.
        expires: When no process can need it any more, even if a copy of the run is in progress; epoch seconds.
    """

    kind: str
    name: str
    owner: str
    expires: float

    def is_expired(self, now: float) -> bool:
        """Whether it may be removed even if a copy of the run is in progress elsewhere."""
        return self.expires < now


def find_leftovers(dead: Collection[str]) -> list[Leftover]:
    """Find what belongs to the runs in `dead`, which no process works on, and overdue containers of all runs.

    Raises:
        InfraError: the engine failed.
    """
    return _find_in_engine(dead) + _find_folders(dead)


def sweep_dead() -> None:
    """Remove what replays and checks whose process has ended left behind. Raises InfraError if the engine fails."""
    with engine_faults():
        owners = {_owner(row) for row in _labelled()}
    for owner in sorted(owner for owner in owners if is_dead(owner)):
        engine.sweep(owner)


def remove_leftovers(leftovers: Iterable[Leftover]) -> None:
    """Remove them; it is fine if one is gone already. Raises InfraError."""
    with engine_faults():
        api = engine.connect().api
        for leftover in leftovers:
            with contextlib.suppress(NotFound):
                if leftover.kind == "container":
                    api.remove_container(leftover.name, force=True, v=True)
                elif leftover.kind == "volume":
                    api.remove_volume(leftover.name, force=True)
                elif leftover.kind == "image":
                    api.remove_image(leftover.name, force=True)
                else:
                    shutil.rmtree(leftover.name, ignore_errors=True)


def active_owners(dead: Collection[str]) -> set[str]:
    """The runs, except those in `dead`, whose containers run now. Raises InfraError if the engine fails."""
    with engine_faults():
        rows = engine.connect().api.containers(filters={"label": engine.LABEL})
    return {_owner(row) for row in rows} - set(dead)


def _labelled() -> list[Row]:
    """All containers, volumes and images that runs made, as the engine lists them."""
    api, label = engine.connect().api, {"label": engine.LABEL}
    volumes = api.volumes(filters=label)["Volumes"] or []
    return [*api.containers(all=True, filters=label), *volumes, *api.images(filters=label, all=True)]


def _find_in_engine(dead: Collection[str]) -> list[Leftover]:
    with engine_faults():
        api, label = engine.connect().api, {"label": engine.LABEL}
        containers = api.containers(all=True, filters=label)
        volumes = api.volumes(filters=label)["Volumes"] or []
        images = api.images(filters=label, all=True)
    dead = {*dead, *(owner for owner in map(_owner, (*containers, *volumes, *images)) if is_dead(owner))}
    old = time.time() - engine.GRACE_SECONDS
    in_engine = [Leftover("container", row["Id"], _owner(row), _end_time(row)) for row in containers]
    remains = [leftover for leftover in in_engine if leftover.owner in dead or leftover.expires < old]
    remains += [
        Leftover("volume", row["Name"], _owner(row), _creation_time(row) + DAY)
        for row in volumes
        if _owner(row) in dead
    ]
    remains += [
        Leftover("image", row["Id"], _owner(row), float(row["Created"]) + DAY) for row in images if _owner(row) in dead
    ]
    # What has a process's mark is of that process, and of no copy of a run.
    return [replace(leftover, expires=0.0) if is_dead(leftover.owner) else leftover for leftover in remains]


def _owner(row: Row) -> str:
    return str(row["Labels"][engine.LABEL])


def _end_time(container: Row) -> float:
    """The end by the calendar clock; in the future as long as the boot clock, which can't be set, says so."""
    label = container["Labels"].get(engine.UNTIL)
    if label is None:
        return float(container["Created"]) + DAY
    until = float(label.partition(" ")[0])
    return until if engine.is_overdue(label, 0) else max(until, time.time() + 1)


def _creation_time(volume: Row) -> float:
    return datetime.fromisoformat(volume["CreatedAt"]).timestamp()


def _find_folders(dead: Collection[str]) -> list[Leftover]:
    top = Path(tempfile.gettempdir())
    folders = [(owner, path) for owner in sorted(dead) for path in top.glob(f"{engine.temporary_prefix(owner)}*")]
    return [Leftover("folder", str(path), owner, path.stat().st_mtime + DAY) for owner, path in sorted(folders)]
