"""A session's budget: it books the spending that killed sessions left behind, and starts no trial beyond the caps."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from evolve import __version__
from evolve.budget import kept_spending, ledger
from evolve.budget.ledger import Ledger, SpendingFile
from evolve.budget.metered import ledger_of
from evolve.budget.turns import turns_of
from evolve.core.caps import Caps, Kept, Spending, work_seconds
from evolve.core.clock import now
from evolve.core.errors import BudgetExhausted
from evolve.core.records import Usage, grader_key
from evolve.host.temporary import is_abandoned, process_mark
from evolve.store import PreflightRow, SessionRow, Store

FOLDER = "spending"
NO_CAPS, NO_USAGE = Caps(), Usage()
FILE = "session-{}.db"
FILE_NAME = re.compile(r"session-(\d+)\.db")


def proposal_key(number: int) -> str:
    """The ledger's name for the spending on a round's proposal."""
    return f"proposal of round {number}"


def lesson_key(number: int) -> str:
    """The ledger's name for the spending on a round's lesson."""
    return f"lesson of round {number}"


class Budget:
    """A run's spending and caps, as the main process of a session sees them. free: no call costs dollars."""

    def __init__(self, terms: SpendingFile, free: bool, seconds: float = 0.0, trials: int = 0) -> None:
        """seconds, trials: the work of earlier sessions."""
        self.terms, self._free = terms, free
        self._started, self._earlier_seconds, self._trials = time.monotonic(), seconds, trials
        self._ledger, self._kept = ledger_of(terms), Kept()

    def reached(self) -> str:
        """Describe the cap that is reached; "" if none is."""
        caps = self.terms.caps
        # Asked before every trial: without caps the file need not be read.
        if caps == Caps():
            return ""
        return caps.reached_cap(self.spent(), self._seconds(), self._trials, self._free, self._kept)

    @contextlib.contextmanager
    def keeping(self, kept: Kept) -> Iterator[None]:
        """Count a cap as reached while this much is left of it. Calls of work that has started may use that too."""
        self._kept = kept
        try:
            yield
        finally:
            self._kept = Kept()

    def check(self) -> None:
        """Raise BudgetExhausted if a cap is reached."""
        if reached := self.reached():
            raise BudgetExhausted(reached)

    def may_start(self) -> bool:
        """Whether one more trial may start. Counts it if so."""
        if self.reached():
            return False
        self._trials += 1
        return True

    def spent(self) -> Usage:
        """The run's usage so far, earlier sessions included."""
        return self._ledger.spent()

    def left(self) -> str:
        """Describe the rest of the budget; "" without caps."""
        caps = self.terms.caps
        return "" if caps == Caps() else caps.describe_left(self.spent(), self._seconds(), self._trials)

    def spending(self) -> Spending:
        """The run's spending so far, earlier sessions included."""
        return Spending(self.spent(), self._seconds(), self._trials, self.terms.caps)

    def book(self, what: str, usage: Usage) -> None:
        """Mark the spending on `what` as stored in the database."""
        self._ledger.book(what, usage)

    def close(self) -> None:
        self._ledger.close()
        ledger_of.cache_clear()
        turns_of.cache_clear()

    def _seconds(self) -> float:
        return self._earlier_seconds + time.monotonic() - self._started


class UnbookedBudget(Budget):
    """A budget of this process alone, whose file goes with it."""

    def close(self) -> None:
        super().close()
        ledger.remove(self.terms.path)


def begin(
    store: Store, run: str, folder: Path, caps: Caps, free: bool, preflights: Sequence[PreflightRow] = ()
) -> Budget:
    """Start a session of the run in its folder. The caller holds the run's lock.

    preflights: the checks of endpoints that were made for this session; their cost counts against the caps.
    """
    book_losses(store, run, folder)
    # Only a cap in seconds needs it, and it takes a look at every trial.
    earlier = 0.0 if caps.seconds is None else _earlier_seconds(store, run)
    row = SessionRow(now(), __version__, socket.gethostname(), os.getpid(), json.dumps(asdict(caps)))
    number = store.start_session(run, row)
    for preflight in preflights:
        store.add_preflight(run, number, preflight)
    ends = None if caps.seconds is None else time.monotonic() + caps.seconds - earlier
    path = (folder / FOLDER / FILE.format(number)).resolve()
    kept_spending.add_up(store, run, folder)
    return Budget(SpendingFile(path, caps, store.spent(run), ends), free, earlier, store.trial_count(run))


def _earlier_seconds(store: Store, run: str) -> float:
    """The seconds of work of earlier sessions."""
    return work_seconds([row.started_at for row in store.sessions(run)], store.moments(run))


def begin_unbooked(folder: Path, caps: Caps = NO_CAPS, spent: Usage = NO_USAGE, free: bool = True) -> Budget:
    """Open a budget for work outside the run, such as a replay: its file is never booked.

    caps: No call starts beyond them; none by default. spent: what counts against them already.
    """
    place = (folder / FOLDER).resolve()
    for left in place.glob("beside*.db"):
        if is_abandoned(left):
            ledger.remove(left)
    return UnbookedBudget(SpendingFile(place / f"beside-{process_mark()}.db", caps, spent), free)


def book_losses(store: Store, run: str, folder: Path) -> Usage:
    """Move the spending in the files of ended sessions to the database, and remove the files.

    Returns:
        The sum of the spending moved.
    """
    total = Usage()
    for path in sorted((folder / FOLDER).glob(FILE.format("*"))):
        if match := FILE_NAME.fullmatch(path.name):
            losses = _read_losses(store, run, path)
            store.add_losses(run, int(match[1]), losses, now())
            ledger.remove(path)
            total = sum(losses.values(), total)
    return total


def _read_losses(store: Store, run: str, path: Path) -> dict[str, Usage]:
    """Read the spending that has no row; a process killed before it could book leaves some that has one."""
    session = Ledger(SpendingFile(path))
    unbooked = session.unbooked()
    session.close()
    if not unbooked:
        return {}
    begun = [one.commit for one in store.candidates(run) if any(one.commit[:12] in what for what in unbooked)]
    counted = [trial for commit in begun for trial in store.trials(run, commit) if trial.counts]
    rows = {trial.key for trial in counted} | {grader_key(trial.key) for trial in counted if trial.grading}
    rows |= {proposal_key(row.number) for row in store.rounds_in_brief(run) if row.proposal}
    rows |= {lesson_key(lesson.round) for lesson in store.lessons(run)}
    return {what: usage for what, usage in unbooked.items() if what not in rows}
