"""What dead runs have left in the engine and among the temporary files: found, and removed where that is safe."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from docker.errors import NotFound

from evolve.sandbox import engine
from evolve.sandbox.exit_cause import engine_faults

DAY = 86_400.0
Row = dict[str, Any]


@dataclass(frozen=True)
class Leftover:
    """`kind`: container, volume, image or folder; `owner`: the run whose it was.

    `over`: epoch seconds after which no process can still want it, whoever works on that run in whatever folder.
    """

    kind: str
    name: str
    owner: str
    over: float

    def safe(self, now: float) -> bool:
        """Whether it may be removed though a copy of the run may be at work elsewhere."""
        return self.over < now


def find_leftovers(dead: Collection[str]) -> list[Leftover]:
    """What belongs to owners that no process works for, and containers of any owner whose time is long over.

    Raises InfraError where the engine fails.
    """
    return _find_in_engine(dead) + _find_folders(dead)


def remove_leftovers(some: Iterable[Leftover]) -> None:
    """Remove them; who else has removed one meanwhile did what was wanted. Raises InfraError."""
    with engine_faults():
        api = engine.connect().api
        for one in some:
            with contextlib.suppress(NotFound):
                if one.kind == "container":
                    api.remove_container(one.name, force=True, v=True)
                elif one.kind == "volume":
                    api.remove_volume(one.name, force=True)
                elif one.kind == "image":
                    api.remove_image(one.name, force=True)
                else:
                    shutil.rmtree(one.name, ignore_errors=True)


def active_owners(dead: Collection[str]) -> set[str]:
    """The owners of containers that run now, but for the dead. Raises InfraError where the engine fails."""
    with engine_faults():
        rows = engine.connect().api.containers(filters={"label": engine.LABEL})
    return {_owner(row) for row in rows} - set(dead)


def _find_in_engine(dead: Collection[str]) -> list[Leftover]:
    with engine_faults():
        api, label = engine.connect().api, {"label": engine.LABEL}
        containers = api.containers(all=True, filters=label)
        volumes = api.volumes(filters=label)["Volumes"] or []
        images = api.images(filters=label, all=True)
    old = time.time() - engine.GRACE_SECONDS
    found = [Leftover("container", row["Id"], _owner(row), _end_time(row)) for row in containers]
    found = [one for one in found if one.owner in dead or one.over < old]
    found += [
        Leftover("volume", row["Name"], _owner(row), _creation_time(row) + DAY)
        for row in volumes
        if _owner(row) in dead
    ]
    return found + [
        Leftover("image", row["Id"], _owner(row), float(row["Created"]) + DAY) for row in images if _owner(row) in dead
    ]


def _owner(row: Row) -> str:
    return str(row["Labels"][engine.LABEL])


def _end_time(container: Row) -> float:
    """By the calendar; never past while the clock that can't be set says that the time is not over."""
    label = container["Labels"].get(engine.UNTIL)
    if label is None:
        return float(container["Created"]) + DAY
    until = float(label.partition(" ")[0])
    return until if engine.is_overdue(label, 0) else max(until, time.time() + 1)


def _creation_time(volume: Row) -> float:
    return datetime.fromisoformat(volume["CreatedAt"]).timestamp()


def _find_folders(dead: Collection[str]) -> list[Leftover]:
    top = Path(tempfile.gettempdir())
    found = [(owner, path) for owner in sorted(dead) for path in top.glob(f"{engine.temporary_prefix(owner)}*")]
    return [Leftover("folder", str(path), owner, path.stat().st_mtime + DAY) for owner, path in sorted(found)]
