"""Commands that look after a machine and its results: what is wrong, and what can go."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from evolve import doctor
from evolve.cli.options import RUNS, SCAFFOLD, SUITE, Json_, Runs_, Scaffold_, Suite_, app
from evolve.doctor.finding import BAD
from evolve.report.tables import show


@app.command("doctor")
def doctor_command(
    runs: Runs_ = RUNS,
    suite: Suite_ = SUITE,
    scaffold: Scaffold_ = SCAFFOLD,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what is safe: branches and notes from the rows, stale locks, leftovers.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare every file with its sha256, and check every page.")
    ] = False,
    as_json: Json_ = False,
) -> None:
    """Whether this machine has what a run needs, and whether what the runs left is whole; changes nothing by itself."""
    mended = doctor.mend(runs) if fix else []
    findings = [*mended, *doctor.examine(runs, suite, scaffold, deep)]
    show([_shown(finding) for finding in findings] if not as_json else [asdict(f) for f in findings], as_json)
    if any(finding.state == BAD for finding in findings):
        raise typer.Exit(1)


def _shown(finding: doctor.Finding) -> dict[str, str]:
    """A line for people: the mend stands after what was found."""
    words = f"{finding.detail}; {finding.mend}" if finding.mend else finding.detail
    return {"check": finding.check, "state": finding.state, "detail": words}
