"""Commands that look after a machine and its results: what is wrong, and what can go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from evolve.cli.options import RUNS, SCAFFOLD, SUITE, Json_, Runs_, Scaffold_, Suite_, app
from evolve.cli.requests import results_file
from evolve.maintenance import doctor, gc
from evolve.maintenance.doctor.finding import BAD, format_size
from evolve.report.escaping import plain
from evolve.report.tables import show
from evolve.store import integrity


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
    repaired = doctor.repair(runs) if fix else []
    findings = [*repaired, *doctor.examine(runs, suite, scaffold, deep)]
    show([_shown(finding) for finding in findings] if not as_json else [asdict(f) for f in findings], as_json)
    if any(finding.state == BAD for finding in findings):
        raise typer.Exit(1)


def _shown(finding: doctor.Finding) -> dict[str, str]:
    """A line for people: the fix follows the finding."""
    words = f"{finding.detail}; {finding.fix}" if finding.fix else finding.detail
    return {"check": finding.check, "state": finding.state, "detail": words}


@app.command("gc")
def gc_command(
    older_than: Annotated[
        str, typer.Option(help="Age of trajectories, recordings and conversations, such as 12h, 30d or 2w.")
    ] = "30d",
    only: Annotated[str | None, typer.Option(help=f"Parts, with commas: {','.join(gc.PARTS)}.")] = None,
    run: Annotated[
        list[str] | None, typer.Option(help="A run that counts as ended though it has not; can be given again.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it. Without this nothing is changed.")] = False,
    runs: Runs_ = RUNS,
    suite: Suite_ = SUITE,
    as_json: Json_ = False,
) -> None:
    """What takes space and can go: shown, and removed with --yes. No row, and no kept or stacked branch, goes."""
    before = datetime.now(UTC) - gc.parse_age(older_than)
    wish = gc.GcRequest(before, gc.parse_parts(only), frozenset(run or ()), suite)
    file = results_file(runs)
    with integrity.open_unchanged(file, integrity.inspect_database(file)) as store:
        found = gc.plan(runs, store, wish)
        done = gc.remove(runs, store, wish, found) if yes else found
    if as_json:
        show([{**asdict(heap), "removed": yes} for heap in done.entries], True)
        return
    _show_heaps(done.entries)
    for line in (*found.skipped, *(done.skipped if yes else ())):
        print(plain(f"spared: {line}"))
    given = [("--only", only), ("--older-than", older_than), *(("--run", one) for one in run or ())]
    given += [("--runs", str(runs))] if runs != RUNS else []
    print(_total(done.entries, yes, " ".join(f"{name} {value}" for name, value in given if value)))


def _show_heaps(heaps: Sequence[gc.Removable]) -> None:
    rows = [
        {
            "part": heap.part,
            "run": heap.run,
            "count": len(heap.names),
            "size": "unknown" if heap.bytes is None else format_size(heap.bytes),
            "detail": gc.PARTS[heap.part],
        }
        for heap in heaps
    ]
    if rows:
        show(rows, False)


def _total(heaps: Sequence[gc.Removable], yes: bool, given: str) -> str:
    """The sum, and the command that removes it."""
    total = format_size(sum(heap.bytes or 0 for heap in heaps))
    if yes:
        return f"{total} removed"
    if not heaps:
        return "nothing can go"
    return f"{total} can go; nothing was changed: `evolve gc --yes {given}` removes it"
