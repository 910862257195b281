"""A session of a run and its money: what earlier sessions lost is booked, and no trial begins beyond the caps."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from dataclasses import asdict
from pathlib import Path

from evolve import __version__
from evolve.budget import ledger
from evolve.budget.ledger import Ledger, SpendingFile
from evolve.budget.metered import purse_of
from evolve.core.caps import Caps, work_seconds
from evolve.core.clock import now
from evolve.core.errors import BudgetExhausted
from evolve.core.records import Usage
from evolve.store import SessionRow, Store

FOLDER = "spending"
FILE = "session-{}.db"
NAMED = re.compile(r"session-(\d+)\.db")


def proposal_of(number: int) -> str:
    """What the spending on a round's proposal is called until it is in a row."""
    return f"proposal of round {number}"


def lesson_of(number: int) -> str:
    return f"lesson of round {number}"


class Budget:
    """What a run has spent and may spend, as the main process of a session sees it. free: nothing costs dollars."""

    def __init__(self, terms: SpendingFile, free: bool, seconds: float = 0.0, trials: int = 0) -> None:
        """seconds: of work in earlier sessions; trials: that had been run in them."""
        self.terms, self._free = terms, free
        self._began, self._before, self._trials = time.monotonic(), seconds, trials
        self._purse = purse_of(terms)

    def reached(self) -> str:
        """Which cap is reached, in words; "" if none is."""
        caps = self.terms.caps
        # Asked before every trial: without caps the file need not be read.
        return "" if caps == Caps() else caps.reached_cap(self.spent(), self._seconds(), self._trials, self._free)

    def check(self) -> None:
        """Raise BudgetExhausted if a cap is reached."""
        if words := self.reached():
            raise BudgetExhausted(words)

    def may_start(self) -> bool:
        """Whether one more trial may begin; it is counted at once."""
        if self.reached():
            return False
        self._trials += 1
        return True

    def spent(self) -> Usage:
        """All that the run has spent, in earlier sessions too."""
        return self._purse.spent()

    def left(self) -> str:
        """What is left, in words; "" without caps."""
        caps = self.terms.caps
        return "" if caps == Caps() else caps.describe_left(self.spent(), self._seconds(), self._trials)

    def booked(self, what: str, usage: Usage) -> None:
        """What this work cost is in a row of the database now."""
        self._purse.booked(what, usage)

    def close(self) -> None:
        self._purse.close()
        purse_of.cache_clear()

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._began


def begin(store: Store, run: str, folder: Path, caps: Caps, free: bool) -> Budget:
    """A session of the run, whose folder is given. The run's lock is held."""
    book_losses(store, run, folder)
    earlier = work_seconds([row.started_at for row in store.sessions(run)], store.moments(run))
    row = SessionRow(now(), __version__, socket.gethostname(), os.getpid(), json.dumps(asdict(caps)))
    number = store.start_session(run, row)
    ends = None if caps.seconds is None else time.monotonic() + caps.seconds - earlier
    path = (folder / FOLDER / FILE.format(number)).resolve()
    return Budget(SpendingFile(path, caps, store.spent(run), ends), free, earlier, store.trial_count(run))


def beside(folder: Path) -> Budget:
    """The purse of work that is no part of the run, such as a replay: without caps, and nothing of it is booked."""
    path = (folder / FOLDER / "beside.db").resolve()
    ledger.remove(path)
    return Budget(SpendingFile(path), free=True)


def book_losses(store: Store, run: str, folder: Path) -> Usage:
    """What ended sessions have left in their files becomes rows, and the files go. -> all that was found"""
    found = Usage()
    for path in sorted((folder / FOLDER).glob(FILE.format("*"))):
        if named := NAMED.fullmatch(path.name):
            lost = _lost(store, run, path)
            store.add_losses(run, int(named[1]), lost, now())
            ledger.remove(path)
            found = sum(lost.values(), found)
    return found


def _lost(store: Store, run: str, path: Path) -> dict[str, Usage]:
    """What has no row. A process that was killed between writing a row and saying so has left what has one, too."""
    left = Ledger(SpendingFile(path))
    unrowed = left.unrowed()
    left.close()
    if not unrowed:
        return {}
    rows = {trial.key for trial in store.trials(run) if trial.counts}
    rows |= {proposal_of(row.number) for row in store.rounds(run) if row.proposal}
    rows |= {lesson_of(lesson.round) for lesson in store.lessons(run)}
    return {what: usage for what, usage in unrowed.items() if what not in rows}
