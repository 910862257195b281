"""What the user asked for, and the run that it became."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from evolve.core.caps import Caps
from evolve.core.config import RunConfig
from evolve.repo import Lineage
from evolve.runs.plugins import Plugins
from evolve.runs.repository import lineage_home, lineage_of, new_lineage
from evolve.store import RunRow, Store

DATABASE = "evolve.db"


@dataclass(frozen=True)
class RunRequest:
    """What the user asked for.

    `run`: the id to start or resume; `new`: a new run; None: the newest run if it began with the same settings, suite
    and scaffold and has not ended, otherwise a new one. `jobs`: most trials at once; 0: see `planned_concurrency`.
    `own_server`: the model's profile is of the user's own server. `origin`: the run whose candidate is measured, if it
    is one. `plugins`: objects that the user gave for names in the config.
    """

    config: RunConfig
    runs: Path
    run: str | None
    jobs: int
    caps: Caps = field(default_factory=Caps)
    origin: RunRow | None = None
    plugins: Plugins = field(default_factory=Plugins)
    own_server: bool = False

    @property
    def database(self) -> Path:
        return self.runs / DATABASE


@dataclass(frozen=True)
class NamedRun:
    """A run with its name; this process holds its lock, or only reads it.

    `row`: as it was stored, None for a new run. `config`: the stored one, for a run that is resumed.
    """

    name: str
    request: RunRequest
    config: RunConfig
    row: RunRow | None = None

    @property
    def folder(self) -> Path:
        return self.request.runs / self.name

    def lineage(self) -> Lineage:
        """Where the candidates' commits are: the repository around the scaffold, else one of the run's own."""
        runs, stored = self.request.runs, self.row or self.request.origin
        return lineage_of(stored, runs) if stored else new_lineage(self.config.scaffold, lineage_home(runs, self.name))


def stored_row(runs: Path, run: str | None) -> RunRow | None:
    """The row of the run of this id; None if there is none yet, or no id."""
    if run is None or not Store.exists(runs / DATABASE):
        return None
    with Store.open(runs / DATABASE) as store:
        return store.run(run)
