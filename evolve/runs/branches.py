"""From a branch of a run to its commit."""

from __future__ import annotations

from pathlib import Path

from evolve.core.errors import BadInput
from evolve.runs import gc_record
from evolve.runs.lookup import run_row
from evolve.runs.repository import lineage_of
from evolve.store import RunRow, Store


def run_and_commit(store: Store, branch: str, runs: Path) -> tuple[RunRow, str]:
    """The run and the commit of a branch evolve/RUN/NAME."""
    parts = branch.split("/")
    if len(parts) != 3 or parts[0] != "evolve":
        raise BadInput(
            f"branch {branch}", "is not a branch of a run", "use evolve/RUN/champion or evolve/RUN/round-0007"
        )
    row = run_row(store, parts[1])
    if branch in gc_record.read(runs / row.id).branches:
        raise BadInput(f"branch {branch}", "`evolve gc` has removed it", "its rows are still there: see `evolve show`")
    return row, lineage_of(row, runs).resolve(branch)
