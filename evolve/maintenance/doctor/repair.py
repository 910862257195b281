"""Repair what is safe: refs and notes from the rows, stale locks, leftovers. Results and the user's files are kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from evolve.core.clock import now
from evolve.core.errors import EvolveError, Locked
from evolve.core.records import Decision
from evolve.host.locks import hold_lock, is_locked
from evolve.host.run_names import owner_of
from evolve.host.temporary import sweep_folders
from evolve.maintenance.consistency import Damage, Kind
from evolve.maintenance.doctor import lineages
from evolve.maintenance.doctor.finding import BAD, FIXED, NOTE, Finding, format_names, run_check
from evolve.repo import Repository
from evolve.runs.places import DATABASE
from evolve.sandbox import engine, leftovers
from evolve.store import RunRow, Store, integrity


def repair(runs: Path) -> list[Finding]:
    """Repair each run under its lock and report what was done. A run at work is skipped."""
    file, swept = runs / DATABASE, _sweep_temporary()
    if not Store.exists(file):
        return swept
    try:
        with integrity.open_unchanged(file, integrity.inspect_database(file)) as store:
            rows = store.runs()
            findings = [finding for row in rows for finding in _repair_run(runs, store, row)]
    except EvolveError as error:
        return [*swept, Finding("database", BAD, str(error))]
    return swept + findings + _sweep({owner_of(runs / row.id) for row in rows if not is_locked(runs / row.id)})


def _repair_run(runs: Path, store: Store, row: RunRow) -> list[Finding]:
    folder = runs / row.id
    try:
        folder.mkdir(exist_ok=True)
        with hold_lock(folder / "lock", row.id):
            damage = lineages.run_damage(runs, row, lineages.run_record(store, runs, row, at_work=False))
            decisions = {round_.number: round_.decision for round_ in store.rounds_in_brief(row.id) if round_.decision}
            fixable = [item for item in damage if item.fixable]
            return _repair_damage(lineages.find_repository(runs, row), fixable, decisions) if fixable else []
    except Locked:
        return [Finding("lineage", NOTE, f"run {row.id} is running: skipped")]
    except EvolveError as error:
        return [Finding("lineage", BAD, f"run {row.id}: {error}")]


def _repair_damage(
    repository: Repository, damage: Sequence[Damage], decisions: Mapping[int, Decision]
) -> list[Finding]:
    """Repair each damage; returns one finding for each kind of repair, and one for each repair that failed."""
    repaired: dict[str, list[str]] = {}
    failures = []
    for item in damage:
        try:
            repair_text, name = _apply(repository, item, decisions)
            repaired.setdefault(repair_text, []).append(name)
        except EvolveError as error:
            failures.append(Finding("lineage", BAD, f"run {item.run}: {error}"))
    run = damage[0].run
    findings = [
        Finding("lineage", FIXED, f"run {run}: {repair_text}: {format_names(names)}")
        for repair_text, names in repaired.items()
    ]
    return findings + failures


def _apply(repository: Repository, damage: Damage, decisions: Mapping[int, Decision]) -> tuple[str, str]:
    """Repair one damage; returns what was done, and to what."""
    if damage.kind is Kind.REF_LOCKED:
        repository.unlock(damage.subject)
        return "stale lock removed", damage.subject
    if damage.kind in (Kind.NOTE_MISSING, Kind.NOTE_DIFFERS):
        decision = decisions[damage.round]
        repository.note(damage.run, damage.round, damage.sha, decision.verdict, decision.reason, now())
        return "decision's git note written", f"round {damage.round}"
    repository.point(damage.subject, damage.sha)
    return "branch moved to its recorded commit", damage.subject


def _sweep_temporary() -> list[Finding]:
    folders = sweep_folders()
    return [Finding("temporary folders", FIXED, f"removed {len(folders)} of ended processes")] if folders else []


def _sweep(dead: set[str]) -> list[Finding]:
    if not engine.answers():
        return []

    def sweep() -> Finding:
        moment = time.time()
        removable = [leftover for leftover in leftovers.find_leftovers(dead) if leftover.is_expired(moment)]
        leftovers.remove_leftovers(removable)
        if not removable:
            return Finding("leftovers", NOTE, "none to remove")
        return Finding("leftovers", FIXED, f"removed {len(removable)}")

    return [finding for finding in [run_check("leftovers", sweep)] if finding.state != NOTE]
