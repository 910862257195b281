"""What the runs left: the database, the clock against its newest row, every run's branches and files, leftovers."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from evolve.core.errors import EvolveError
from evolve.host.locks import at_work
from evolve.maintenance.doctor import files, lineages
from evolve.maintenance.doctor.finding import BAD, GOOD, NOTE, Finding, some, told
from evolve.runs.request import DATABASE
from evolve.sandbox import engine, leftovers
from evolve.store import RunRow, Store, integrity

CLOCK_SECONDS = 60.0


def examine(runs: Path, deep: bool) -> list[Finding]:
    """All of it; where the database can't be read, what doesn't need it."""
    file = runs / DATABASE
    if not Store.exists(file):
        words = f"{file} is not there yet"
        return [Finding("database", NOTE, words, "the first run makes it"), told("clock", lambda: _clock(runs, None))]
    try:
        state = integrity.inspect_database(file, deep)
        with integrity.open_unchanged(file, state) as store:
            rows = store.runs()
            found = [_database(file, state, rows), told("clock", lambda: _clock(runs, state.newest_time))]
            return found + _of_runs(runs, store, rows, deep)
    except EvolveError as error:
        return [Finding("database", BAD, str(error)), told("clock", lambda: _clock(runs, None))]


def _database(file: Path, state: integrity.Integrity, rows: Sequence[RunRow]) -> Finding:
    words = f"{file}: {len(rows)} runs, schema {state.schema}, journal {state.journal}"
    if state.problems:
        return Finding("database", BAD, f"{words}; {'; '.join(state.problems)}", "restore it from a backup")
    if state.schema != state.wanted:
        mend = "copy it first (docs/operations.md): the next command that opens it brings it up to date"
        return Finding("database", NOTE, f"{words}; this version's schema is {state.wanted}", mend)
    return Finding("database", GOOD, words)


def _of_runs(runs: Path, store: Store, rows: Sequence[RunRow], deep: bool) -> list[Finding]:
    busy = {row.id for row in rows if at_work(runs / row.id)}
    found = lineages.examine(runs, store, rows, busy)
    found += files.examine(runs, store, rows, busy, deep)
    found += strangers(runs, rows)
    return [*found, told("leftovers", lambda: _leftovers({row.id for row in rows} - busy))]


def strangers(runs: Path, rows: Sequence[RunRow]) -> list[Finding]:
    """Folders that no run of the database has; one that is only just beginning has a lock."""
    known = {row.id for row in rows}
    found = [path for path in sorted(runs.iterdir()) if path.is_dir() and path.name not in known and not at_work(path)]
    if not found:
        return []
    words = f"no run of the database has these: {some([str(path) for path in found])}"
    return [Finding("run folders", NOTE, words, "remove them, if they are not those of another database")]


def _leftovers(dead: set[str]) -> Finding:
    if not engine.answers():
        return Finding("leftovers", NOTE, "not looked at: no container engine answers")
    found = leftovers.find(dead)
    if not found:
        return Finding("leftovers", GOOD, "none of runs that no process works on")
    now = time.time()
    waiting = sum(not one.safe(now) for one in found)
    kinds = Counter((one.kind, one.owner) for one in found)
    names = some([f"{count} {kind}{'s' * (count > 1)} of {owner}" for (kind, owner), count in kinds.items()])
    later = f"; {waiting} of them are still within their time, and end by themselves" if waiting else ""
    return Finding("leftovers", NOTE, f"{names}{later}", "`evolve doctor --fix`, or the run's next start")


def _clock(runs: Path, newest: str | None) -> Finding:
    """The machine's against the file system's, and against the newest row."""
    ahead = _file_time(runs) - time.time()
    if abs(ahead) > CLOCK_SECONDS:
        words = f"the file system of {runs} is {ahead:+.0f} seconds off this machine's clock"
        return Finding("clock", BAD, words, "set the clocks of both by NTP")
    behind = datetime.fromisoformat(newest).timestamp() - time.time() if newest else 0.0
    if behind > CLOCK_SECONDS:
        words = f"it is {behind:.0f} seconds behind the newest row ({newest})"
        return Finding("clock", BAD, words, "set the clock: runs and rounds are ordered by it")
    return Finding(
        "clock", GOOD, "agrees with the file system and with the rows" if newest else "agrees with the file system"
    )


def _file_time(runs: Path) -> float:
    """The time that a file gets when it is written there now; the file has no name, and is gone at once."""
    place = runs if runs.is_dir() and os.access(runs, os.W_OK) else Path(tempfile.gettempdir())
    with tempfile.TemporaryFile(dir=place) as file:
        file.write(b"x")
        file.flush()
        return os.fstat(file.fileno()).st_mtime
