"""What the user asked for, and the run that it became."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from evolve.core.caps import Caps
from evolve.core.config import RunConfig
from evolve.repo import Lineage
from evolve.store import RunRow
from evolve.suite.bundled import is_bundled, or_bundled, stored_folder

DATABASE = "evolve.db"


@dataclass(frozen=True)
class RunRequest:
    """What the user asked for.

    `run`: the id to start or resume; `new`: a new run; None: the newest run if it began with the same config, suite
    and scaffold and has not ended, otherwise a new one. `home`: where the commits are, if another run's candidate is
    measured.
    """

    config: RunConfig
    runs: Path
    run: str | None
    jobs: int
    caps: Caps = field(default_factory=Caps)
    home: Path | None = None

    @property
    def database(self) -> Path:
        return self.runs / DATABASE

    def with_stored_folders(self) -> RunRequest:
        """The request of a stored run with the folders that its paths stand for, wherever the command runs."""
        names = ("suite", "scaffold")
        folders = {name: stored_folder(getattr(self.config, name), self.runs) for name in names}
        return replace(self, config=self.config.model_copy(update=folders))

    def named(self, name: str) -> NamedRun:
        """The run of this name. The caller holds its lock."""
        return NamedRun(replace(self, run=name), name)


@dataclass(frozen=True)
class NamedRun:
    """A run with its name; this process holds its lock, or only reads it."""

    request: RunRequest
    name: str

    @property
    def config(self) -> RunConfig:
        return self.request.config

    @property
    def folder(self) -> Path:
        return self.request.runs / self.name

    def lineage(self) -> Lineage:
        """Where the candidates' commits are: the repository around the scaffold, else one of the run's own.

        A bundled scaffold is in no repository of the user's, wherever Evolve is installed.
        """
        scaffold, home = self.config.scaffold, self.request.home or lineage_home(self.request.runs, self.name)
        return Lineage.open(or_bundled(scaffold), home, alone=is_bundled(scaffold))


def lineage_home(runs: Path, run: str) -> Path:
    """The repository that a run makes for itself where the scaffold is in none."""
    return runs / run / "lineage.git"


def lineage_of(row: RunRow, runs: Path) -> Lineage:
    """Where the commits of a stored run are."""
    return Lineage.open(stored_folder(Path(row.scaffold), runs), lineage_home(runs, row.id))
