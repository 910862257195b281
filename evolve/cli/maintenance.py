"""Commands that look after a machine and its results: what is wrong, and what can be removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from evolve.core.errors import EXIT_MACHINE
from evolve.core.escaping import plain
from evolve.llm import set_call_seconds
from evolve.maintenance import doctor, gc
from evolve.maintenance.doctor.finding import BAD, format_size
from evolve.report.tables import show
from evolve.runs.from_settings import new_config
from evolve.runs.local_model import with_local_server
from evolve.runs.lookup import results_file
from evolve.runs.places import check_readable
from evolve.runs.settings import Settings, shown_default
from evolve.store import integrity


def examine(settings: Settings, fix: bool, deep: bool, as_json: bool) -> int:
    """Print what the doctor finds, after what it repaired. -> the exit status: 1 if something is wrong"""
    set_call_seconds(settings.call_seconds)
    check_readable(settings.runs)
    repaired = doctor.repair(settings.runs) if fix else []
    asked = doctor.AskedModel(settings.model, settings.base_url, settings.models)
    findings = [*repaired, *doctor.examine(settings.runs, settings.suite, settings.scaffold, deep, asked)]
    show([_shown(finding) for finding in findings] if not as_json else [asdict(f) for f in findings], as_json)
    return EXIT_MACHINE if any(finding.state == BAD for finding in findings) else 0


def examine_models(settings: Settings, as_json: bool) -> int:
    """Print what the check of the models' endpoints finds. -> the exit status: 1 if one can't be used"""
    set_call_seconds(settings.call_seconds)
    with with_local_server(settings) as served:
        findings = doctor.examine_models(new_config(served))
    show([asdict(f) for f in findings] if as_json else [_shown(finding) for finding in findings], as_json)
    return EXIT_MACHINE if any(finding.state == BAD for finding in findings) else 0


def _shown(finding: doctor.Finding) -> dict[str, str]:
    """A line for people: the fix follows the finding."""
    words = f"{finding.detail}; {finding.fix}" if finding.fix else finding.detail
    return {"check": finding.check, "state": finding.state, "detail": words}


def collect_garbage(
    settings: Settings, older_than: str, only: str | None, ended: Sequence[str], yes: bool, as_json: bool
) -> None:
    """List what can be removed, and remove it if `yes`. `ended`: runs that count as ended."""
    before, runs = datetime.now(UTC) - gc.parse_age(older_than), settings.runs
    request = gc.GcRequest(before, gc.parse_parts(only), frozenset(ended), settings.suite)
    file = results_file(runs)
    with integrity.open_unchanged(file, integrity.inspect_database(file)) as store:
        planned = gc.plan(runs, store, request)
        done = gc.remove(runs, store, request, planned) if yes else planned
    if as_json:
        show([{**asdict(entry), "prevents": entry.prevents, "removed": yes} for entry in done.entries], True)
        return
    _show_entries(done.entries)
    for line in _consequences(done.entries, yes):
        print(plain(line))
    for line in (*planned.skipped, *(done.skipped if yes else ())):
        print(plain(f"skipped: {line}"))
    options = [("--only", only), ("--older-than", older_than), *(("--run", run) for run in ended)]
    options += [("--runs", str(runs))] if str(runs) != shown_default(Settings.model_fields["runs"]) else []
    print(_total(done.entries, yes, " ".join(f"{name} {value}" for name, value in options if value)))


def _show_entries(entries: Sequence[gc.Removable]) -> None:
    rows = [
        {
            "part": entry.part,
            "run": entry.run,
            "count": len(entry.names),
            "size": "unknown" if entry.bytes is None else format_size(entry.bytes),
            "detail": gc.PARTS[entry.part],
        }
        for entry in entries
    ]
    if rows:
        show(rows, False)


def _consequences(entries: Sequence[gc.Removable], yes: bool) -> list[str]:
    """Which runs could no longer be resumed, or their trials be replayed or graded again, a line each."""
    prevented: dict[str, dict[str, None]] = {}
    for entry in entries:
        if entry.names and entry.prevents:
            prevented.setdefault(entry.run, {}).update(dict.fromkeys(entry.prevents))
    words = {"resume": "resumed", "replay": "replayed in full", "regrade": "graded again"}
    can = "can" if yes else "could then"
    return [f"run {run} {can} no longer be {', '.join(words[kind] for kind in of)}" for run, of in prevented.items()]


def _total(entries: Sequence[gc.Removable], yes: bool, options: str) -> str:
    """The sum, and the command that removes it."""
    total = format_size(sum(entry.bytes or 0 for entry in entries))
    if yes:
        return f"{total} removed"
    if not entries:
        return "nothing can be removed"
    return f"{total} can be removed; nothing was changed: `evolve gc --yes {options}` deletes it"
