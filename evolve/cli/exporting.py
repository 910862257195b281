"""The command that writes a run's trials for other tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evolve.core.escaping import plain
from evolve.core.records import Split
from evolve.export.formats import Format
from evolve.export.run import export_run
from evolve.report.tables import show
from evolve.runs.settings import Settings


def export(
    settings: Settings, form: Format, to: Path, round_number: int | None, splits: Sequence[Split], as_json: bool
) -> None:
    done = export_run(settings.runs, settings.run, form, to, round_number, splits)
    if as_json:
        counts = {"trials": dict(done.trials), "left_out": dict(done.left_out), "partial": dict(done.partial)}
        show([{"run": done.run, "folder": str(to), **counts}], True)
        return
    trials = ", ".join(f"{count} {split}" for split, count in done.trials.items())
    print(plain(f"run {done.run}: exported {done.trials.total()} trials ({trials}) to {to}"))
    for reason, count in done.left_out.items():
        print(plain(f"  left out: {count} trials: {reason}"))
    for reason, count in done.partial.items():
        print(plain(f"  incomplete: {count} trials: {reason}"))
    if form is Format.ATIF:
        print(plain(f"open it with: harbor view {to}"))
