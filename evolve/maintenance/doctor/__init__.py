"""Check that this machine has what a run needs, and that recorded results are intact.

`examine` changes nothing; `repair` fixes what is safe to fix.
"""

from __future__ import annotations

from pathlib import Path

from evolve.maintenance.doctor import machine, results
from evolve.maintenance.doctor.finding import Finding
from evolve.maintenance.doctor.machine import AskedModel
from evolve.maintenance.doctor.model import examine_models
from evolve.maintenance.doctor.repair import repair
from evolve.suite.bundled import or_bundled

__all__ = ["AskedModel", "Finding", "examine", "examine_models", "repair"]


def examine(
    runs: Path,
    suite: Path | None = None,
    scaffold: Path | None = None,
    deep: bool = False,
    asked: AskedModel | None = None,
) -> list[Finding]:
    """Run every check, in the order in which a run depends on them.

    Args:
        deep: verify every file and every database page instead of a sample.
        asked: the model to call.
    """
    return [
        *machine.check_engine(suite and or_bundled(suite)),
        machine.check_disk(runs),
        *machine.check_temporary(),
        machine.check_git(scaffold and or_bundled(scaffold)),
        *results.examine(runs, deep),
        machine.check_model(asked or AskedModel()),
    ]
