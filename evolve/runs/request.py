"""What the user asked for, and the run that it became."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evolve.core.caps import Caps
from evolve.core.config import RunConfig
from evolve.repo import Lineage
from evolve.runs.places import DATABASE
from evolve.runs.plugins import Plugins
from evolve.runs.repository import left_out_places, lineage_home, lineage_of, new_lineage
from evolve.store import PreflightRow, RunRow, Store


@dataclass(frozen=True)
class RunRequest:
    """What the user asked for.

    Attributes:
        run: The id to start or resume; `new`: a new run; None: the newest run if it began with the same settings, suite
            and scaffold and has not ended, otherwise a new one.
        jobs: Most trials at once; 0: see `planned_concurrency`.
        origin: The run whose candidate is measured, if it is one.
        plugins: Objects that the user gave for names in the config.
        own_server: The model's profile is of the user's own server.
        checks_models: The models' endpoints are checked first.
        preflights: These checks, to be stored with the run.
        measurement: What a run of scaffolds side by side is for, to be stored with it; empty for other runs.
    """

    config: RunConfig
    runs: Path
    run: str | None
    jobs: int
    caps: Caps = field(default_factory=Caps)
    origin: RunRow | None = None
    plugins: Plugins = field(default_factory=Plugins)
    own_server: bool = False
    checks_models: bool = True
    preflights: tuple[PreflightRow, ...] = ()
    measurement: Mapping[str, Any] = field(default_factory=dict)

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
        runs, stored = self.request.runs, self.request.origin or self.row
        if stored:
            return lineage_of(stored, runs)
        without = left_out_places(self.config.suite, runs)
        return new_lineage(self.config.scaffold, lineage_home(runs, self.name), without)


def stored_row(runs: Path, run: str | None) -> RunRow | None:
    """The row of the run of this id; None if there is none yet, or no id."""
    if run is None or not Store.exists(runs / DATABASE):
        return None
    with Store.open(runs / DATABASE) as store:
        return store.run(run)
