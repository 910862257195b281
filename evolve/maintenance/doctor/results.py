"""Check the results: the database, the clock against its newest row, each run's branches and files, leftovers."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from evolve.core.errors import EvolveError
from evolve.host.locks import is_locked
from evolve.host.run_names import owner_of
from evolve.maintenance.doctor import files, kept, lineages
from evolve.maintenance.doctor.finding import BAD, GOOD, NOTE, Finding, format_names, run_check
from evolve.runs.places import DATABASE
from evolve.sandbox import engine, leftovers
from evolve.store import RunRow, Store, integrity

CLOCK_SECONDS = 60.0


def examine(runs: Path, deep: bool) -> list[Finding]:
    """Run all checks, or those that need no database if it cannot be read."""
    file = runs / DATABASE
    if not Store.exists(file):
        missing = Finding("database", NOTE, f"{file} does not exist yet", "the first run creates it")
        return [missing, run_check("clock", lambda: _check_clock(runs, None))]
    try:
        state = integrity.inspect_database(file, deep)
        with integrity.open_unchanged(file, state) as store:
            rows = store.runs()
            database = _check_database(file, state, rows)
            clock = run_check("clock", lambda: _check_clock(runs, state.newest_time))
            return [database, clock, *_check_runs(runs, store, rows, deep)]
    except EvolveError as error:
        return [Finding("database", BAD, str(error)), run_check("clock", lambda: _check_clock(runs, None))]


def _check_database(file: Path, state: integrity.Integrity, rows: Sequence[RunRow]) -> Finding:
    summary = f"{file}: {len(rows)} runs, schema {state.schema}, journal {state.journal}"
    if state.problems:
        return Finding("database", BAD, f"{summary}; {'; '.join(state.problems)}", "restore it from a backup")
    if state.schema != state.wanted:
        fix = "back it up first (docs/operations.md): the next command that opens it migrates it"
        return Finding("database", NOTE, f"{summary}; this version's schema is {state.wanted}", fix)
    return Finding("database", GOOD, summary)


def _check_runs(runs: Path, store: Store, rows: Sequence[RunRow], deep: bool) -> list[Finding]:
    busy = {row.id for row in rows if is_locked(runs / row.id)}
    findings = lineages.examine(runs, store, rows, busy)
    findings += files.examine(runs, store, rows, busy, deep)
    findings += kept.examine(runs, store, rows, busy) if deep else []
    findings += unknown_folders(runs, rows)
    dead = {owner_of(runs / row.id) for row in rows if row.id not in busy}
    return [*findings, run_check("leftovers", lambda: _check_leftovers(dead))]


def unknown_folders(runs: Path, rows: Sequence[RunRow]) -> list[Finding]:
    """Report folders of runs that are not in the database; a run that is only starting has a lock."""
    known = {row.id for row in rows}
    folders = [path for path in sorted(runs.iterdir()) if path.is_dir() and path.name not in known]
    unknown = [str(path) for path in folders if not is_locked(path)]
    if not unknown:
        return []
    detail = f"not in the database: {format_names(unknown)}"
    return [Finding("run folders", NOTE, detail, "delete them unless they belong to another database")]


def _check_leftovers(dead: set[str]) -> Finding:
    if not engine.answers():
        return Finding("leftovers", NOTE, "not checked: no container engine answers")
    remains = leftovers.find_leftovers(dead)
    if not remains:
        return Finding("leftovers", GOOD, "none of stopped runs")
    now = time.time()
    waiting = sum(not leftover.is_expired(now) for leftover in remains)
    kinds = Counter((leftover.kind, leftover.owner) for leftover in remains)
    names = format_names([f"{count} {kind}{'s' * (count > 1)} of {owner}" for (kind, owner), count in kinds.items()])
    later = f"; {waiting} of them are within their time limit and end by themselves" if waiting else ""
    return Finding("leftovers", NOTE, f"{names}{later}", "`evolve doctor --fix` removes them, as does resuming the run")


def _check_clock(runs: Path, newest: str | None) -> Finding:
    """Compare the machine's clock with the file system's and with the newest row."""
    ahead = _file_time(runs) - time.time()
    if abs(ahead) > CLOCK_SECONDS:
        detail = f"the clock of the file system of {runs} differs from this machine's by {ahead:+.0f} seconds"
        return Finding("clock", BAD, detail, "synchronise both with NTP")
    behind = _timestamp(newest) - time.time() if newest else 0.0
    if behind > CLOCK_SECONDS:
        detail = f"{behind:.0f} seconds behind the newest row ({newest})"
        return Finding("clock", BAD, detail, "set the clock: runs and rounds are ordered by it")
    return Finding("clock", GOOD, f"agrees with the file system{' and with the rows' if newest else ''}")


def _timestamp(text: str) -> float:
    """The seconds since the epoch of a time in the database; 0 of a text that is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _file_time(runs: Path) -> float:
    """The modification time of a file written there now; the file has no name and vanishes at once."""
    folder = runs if runs.is_dir() and os.access(runs, os.W_OK) else Path(tempfile.gettempdir())
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")
        file.flush()
        return os.fstat(file.fileno()).st_mtime
