"""The importers by name: built-in ones, then plug-ins; and finding the one for a source."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from evolve.core.errors import BadInput
from evolve.host import entry_points
from evolve.project.importers.benchmark import Importer
from evolve.project.importers.quixbugs import QuixBugs
from evolve.project.importers.swe_bench import SweBench
from evolve.project.importers.table import Table
from evolve.project.importers.terminal_bench import TerminalBench

KIND = "importer"


def built_in() -> dict[str, Importer]:
    return {"terminal-bench": TerminalBench(), "swe-bench": SweBench(), "quixbugs": QuixBugs(), "table": Table()}


def importer_of(name: str) -> Importer:
    """The importer of this name. Raises BadInput if there is none, or it can't be imported."""
    if (own := built_in().get(name)) is not None:
        return own
    if not entry_points.is_known(KIND, name):
        raise entry_points.unknown("--from", KIND, name)
    loaded = entry_points.load(KIND, name)
    return cast(Importer, loaded() if isinstance(loaded, type) else loaded)


def detect(source: Path) -> str:
    """The name of the only importer that recognises a source. Raises BadInput if there is none, or several."""
    if not source.exists():
        raise BadInput(str(source), "does not exist", "name a file or folder on this machine")
    names = entry_points.known_names(KIND)
    found = [name for name in names if importer_of(name).recognises(source)]
    if len(found) == 1:
        return found[0]
    problem = f"could be any of {', '.join(found)}" if found else "is nothing that can be recognised"
    raise BadInput(str(source), problem, f"say what it is with --from: {', '.join(names)}")
