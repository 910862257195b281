"""What the doctor mends: refs and notes from the rows, stale locks, leftovers. Results and the user's own stay."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from evolve.core.clock import now
from evolve.core.errors import EvolveError, Locked
from evolve.core.records import Decision
from evolve.host.locks import at_work, locked
from evolve.maintenance.consistency import Damage, Kind
from evolve.maintenance.doctor import lineages
from evolve.maintenance.doctor.finding import BAD, MENDED, NOTE, Finding, some, told
from evolve.repo import Repository
from evolve.runs.request import DATABASE
from evolve.sandbox import engine, leftovers
from evolve.store import RunRow, Store, integrity


def mend(runs: Path) -> list[Finding]:
    """Mends what is safe, each run under its lock, and says what it did. A run at work is left alone."""
    file = runs / DATABASE
    if not Store.exists(file):
        return []
    try:
        with integrity.open_unchanged(file, integrity.inspect_database(file)) as store:
            rows = store.runs()
            done = [finding for row in rows for finding in _of_run(runs, store, row)]
    except EvolveError as error:
        return [Finding("database", BAD, str(error))]
    return done + _sweep({row.id for row in rows if not at_work(runs / row.id)})


def _of_run(runs: Path, store: Store, row: RunRow) -> list[Finding]:
    folder = runs / row.id
    try:
        folder.mkdir(exist_ok=True)
        with locked(folder / "lock", row.id):
            damages = lineages.differing(runs, row, lineages.by_rows(store, runs, row, at_work=False))
            decisions = {one.number: one.decision for one in store.rounds(row.id) if one.decision}
            mendable = [one for one in damages if one.mendable]
            return _mended(lineages.repository(runs, row), mendable, decisions) if mendable else []
    except Locked:
        return [Finding("lineage", NOTE, f"run {row.id} is at work: nothing of it was touched")]
    except EvolveError as error:
        return [Finding("lineage", BAD, f"run {row.id}: {error}")]


def _mended(place: Repository, damages: Sequence[Damage], decisions: Mapping[int, Decision]) -> list[Finding]:
    """A line for what was done of each kind, and one for each damage that could not be mended."""
    done: dict[str, list[str]] = {}
    failed = []
    for one in damages:
        try:
            what, name = _apply(place, one, decisions)
            done.setdefault(what, []).append(name)
        except EvolveError as error:
            failed.append(Finding("lineage", BAD, f"run {one.run}: {error}"))
    run = damages[0].run
    return [Finding("lineage", MENDED, f"run {run}: {what}: {some(names)}") for what, names in done.items()] + failed


def _apply(place: Repository, damage: Damage, decisions: Mapping[int, Decision]) -> tuple[str, str]:
    """Makes it so; -> what was done, and to what."""
    if damage.kind is Kind.REF_LOCKED:
        place.unlock(damage.subject)
        return "stale lock removed", damage.subject
    if damage.kind in (Kind.NOTE_GONE, Kind.NOTE_DIFFERS):
        decision = decisions[damage.round]
        place.note(damage.run, damage.round, damage.sha, decision.verdict, decision.reason, now())
        return "note of the decision written", f"round {damage.round}"
    place.point(damage.subject, damage.sha)
    return "branch put where the rows say", damage.subject


def _sweep(dead: set[str]) -> list[Finding]:
    if not engine.answers():
        return []

    def sweep() -> Finding:
        moment = time.time()
        over = [one for one in leftovers.find(dead) if one.safe(moment)]
        leftovers.remove(over)
        return (
            Finding("leftovers", MENDED, f"removed {len(over)}")
            if over
            else Finding("leftovers", NOTE, "none to remove")
        )

    return [finding for finding in [told("leftovers", sweep)] if finding.state != NOTE]
