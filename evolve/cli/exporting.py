"""The command that writes a run's trials for other tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.escaping import plain
from evolve.core.records import Split
from evolve.export.agent_folder import export_agent
from evolve.export.formats import Format
from evolve.export.run import export_run
from evolve.report.tables import show
from evolve.runs.settings import Settings


def export(
    settings: Settings, form: Format, to: Path, round_number: int | None, splits: Sequence[Split], as_json: bool
) -> None:
    if form is Format.AGENT:
        _export_agent(settings, to, round_number, splits, as_json)
        return
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


def _export_agent(
    settings: Settings, to: Path, round_number: int | None, splits: Sequence[Split], as_json: bool
) -> None:
    if splits:
        raise BadInput("--split", "an agent has no trials", "leave --split out")
    done = export_agent(settings.runs, settings.run, to, round_number)
    if as_json:
        show([{"run": done.run, "round": done.round, "champion": done.confirmed, "folder": str(to)}], True)
        return
    what = "the champion" if done.confirmed else "not the champion"
    print(plain(f"run {done.run}: exported the scaffold of round {done.round} ({what}) to {to}"))
    model = done.model or "PROVIDER/MODEL"
    words = f"harbor run --agent-import-path evolved_agent:EvolvedAgent -m {model} -p TASK"
    print(plain(f"run it with: PYTHONPATH={to} {words}"))
