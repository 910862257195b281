"""Whether this machine has what a run needs, and whether what the runs left is whole. Looks, and changes nothing;
`mend` changes what is safe to change.
"""

from __future__ import annotations

from pathlib import Path

from evolve.maintenance.doctor import machine, results
from evolve.maintenance.doctor.finding import Finding
from evolve.maintenance.doctor.repair import mend
from evolve.suite.bundled import or_bundled

__all__ = ["Finding", "examine", "mend"]


def examine(runs: Path, suite: Path | None = None, scaffold: Path | None = None, deep: bool = False) -> list[Finding]:
    """Every check, in the order in which a run would meet them. deep: every file and page in full."""
    return [
        *machine.engine(suite and or_bundled(suite)),
        machine.disk(runs),
        machine.git(scaffold and or_bundled(scaffold)),
        *results.examine(runs, deep),
        machine.model(),
    ]
