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

from evolve.host.run_names import AT
from evolve.host.temporary import is_dead
from evolve.sandbox import engine
from evolve.sandbox.exit_cause import engine_faults

DAY = 86_400.0
Row = dict[str, Any]


@dataclass(frozen=True)
class Leftover:
    """Something that a run left behind.

    Attributes:
        kind: container, volume, network, image or folder.
        owner: The name of the run that made it.
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
    """Find what belongs to the owners in `dead`, which no process works for, and overdue containers of all.

    Raises:
        InfraError: the engine failed.
    """
    return _find_in_engine(dead) + _find_folders(dead)


def sweep_dead() -> None:
    """Remove what replays and checks whose process has ended left behind. Raises InfraError if the engine fails."""
    with engine_faults():
        owners = {_run(row) for rows in _labelled() for row in rows}
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
                elif leftover.kind == "network":
                    api.remove_network(leftover.name)
                elif leftover.kind == "image":
                    api.remove_image(leftover.name, force=True)
                else:
                    shutil.rmtree(leftover.name, ignore_errors=True)


def active_owners(dead: Collection[str]) -> set[str]:
    """Name the runs, except of the owners in `dead`, whose containers run now. Raises InfraError."""
    with engine_faults():
        rows = engine.connect().api.containers(filters={"label": engine.LABEL})
    return {_run(row) for row in rows if not _is_of(row, dead)}


def _labelled() -> tuple[list[Row], list[Row], list[Row], list[Row]]:
    """All containers, volumes, images and networks that runs made, as the engine lists them."""
    api, label = engine.connect().api, {"label": engine.LABEL}
    volumes = api.volumes(filters=label)["Volumes"] or []
    containers = api.containers(all=True, filters=label)
    return containers, volumes, api.images(filters=label, all=True), api.networks(filters=label)


def _find_in_engine(dead: Collection[str]) -> list[Leftover]:
    with engine_faults():
        containers, volumes, images, networks = _labelled()
    dead = {*dead, *(run for run in map(_run, (*containers, *volumes, *images, *networks)) if is_dead(run))}
    old = time.time() - engine.GRACE_SECONDS
    remains = [
        Leftover("container", row["Id"], _run(row), _end_time(row))
        for row in containers
        if _is_of(row, dead) or _end_time(row) < old
    ]
    remains += [
        Leftover("volume", row["Name"], _run(row), _creation_time(row) + DAY) for row in volumes if _is_of(row, dead)
    ]
    remains += [
        Leftover("image", row["Id"], _run(row), float(row["Created"]) + DAY) for row in images if _is_of(row, dead)
    ]
    remains += [Leftover("network", row["Id"], _run(row), _end_time(row)) for row in networks if _is_of(row, dead)]
    # What has a process's mark is of that process, and of no copy of a run.
    return [replace(leftover, expires=0.0) if is_dead(leftover.owner) else leftover for leftover in remains]


def _run(row: Row) -> str:
    return str(row["Labels"][engine.LABEL])


def _is_of(row: Row, owners: Collection[str]) -> bool:
    """Whether it belongs to one of the owners; without a place it may be any run's of that name."""
    place = row["Labels"].get(engine.PLACE)
    if place:
        return f"{_run(row)}{AT}{place}" in owners
    return any(owner.partition(AT)[0] == _run(row) for owner in owners)


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
    # Earlier versions left out the place.
    prefixes = {
        engine.temporary_prefix(name): owner.partition(AT)[0]
        for owner in dead
        for name in (owner, owner.partition(AT)[0])
    }
    folders = [(run, path) for prefix, run in prefixes.items() for path in top.glob(f"{prefix}*")]
    return [Leftover("folder", str(path), run, path.stat().st_mtime + DAY) for run, path in sorted(folders)]
