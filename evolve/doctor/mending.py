"""What the doctor mends: refs and notes from the rows, stale locks, leftovers. Results and the user's own stay."""

from __future__ import annotations

import time
from pathlib import Path

from evolve.agreement import Damage, Kind
from evolve.campaign import now
from evolve.doctor import lineages
from evolve.doctor.finding import BAD, MENDED, NOTE, Finding, told
from evolve.errors import EvolveError, Locked
from evolve.house import DATABASE, at_work, locked
from evolve.records import Decision
from evolve.repo import Repository
from evolve.sandbox import engine, leftovers
from evolve.store import RunRow, Store, health


def mend(runs: Path) -> list[Finding]:
    """Mends what is safe, each run under its lock, and says what it did. A run at work is left alone."""
    file = runs / DATABASE
    if not Store.exists(file):
        return []
    try:
        with health.unchanged(file, health.look(file)) as store:
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
            return [_mended(lineages.repository(runs, row), one, decisions) for one in damages if one.mendable]
    except Locked:
        return [Finding("lineage", NOTE, f"run {row.id} is at work: nothing of it was touched")]
    except EvolveError as error:
        return [Finding("lineage", BAD, f"run {row.id}: {error}")]


def _mended(place: Repository, damage: Damage, decisions: dict[int, Decision]) -> Finding:
    def apply() -> Finding:
        return Finding("lineage", MENDED, f"run {damage.run}: {_apply(place, damage, decisions)}")

    return told("lineage", apply)


def _apply(place: Repository, damage: Damage, decisions: dict[int, Decision]) -> str:
    """Makes it so; -> what was done, in words."""
    if damage.kind is Kind.REF_LOCKED:
        place.unlock(damage.subject)
        return f"removed the stale lock of {damage.subject}"
    if damage.kind in (Kind.NOTE_GONE, Kind.NOTE_DIFFERS):
        decision = decisions[damage.round]
        place.note(damage.run, damage.round, damage.sha, decision.verdict, decision.reason, now())
        return f"wrote the note of round {damage.round}"
    place.point(damage.subject, damage.sha)
    return f"{damage.subject} is at {damage.sha[:12]} again"


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
