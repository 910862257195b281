"""Points at which a process kills itself: before and after each thing that the program writes down.

The program knows nothing of them: its methods are wrapped from outside, in the process that is to die.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from evolve.budget import ledger, run_budget
from evolve.budget.ledger import Ledger
from evolve.repo import Lineage
from evolve.repo.shell import GitShell
from evolve.sandbox import engine
from evolve.store import Store
from evolve.trial import trajectory

WRITES = (
    (Store, ("create_run", "start_session", "add_losses", "start_race", "add_candidate", "add_proposal", "add_lesson",
             "add_decision", "add_trial", "add_holdout_look", "end_run")),
    (Lineage, ("seed", "commit_candidate", "create_branch", "set_champion", "record_decision", "export")),
    (Ledger, ("reserve", "settle", "book")),
    (trajectory, ("store",)),
    (ledger, ("remove",)),
    (run_budget, ("begin", "book_losses")),
    (engine, ("sweep",)),
)  # fmt: skip
# Of git's own commands, those that write.
GIT_WRITES = {"hash-object", "update-ref", "commit-tree", "write-tree"}
COMMIT = "database.commit"


def names() -> list[str]:
    """All points: each is passed before and after what it is named after."""
    named = [f"{_short(owner)}.{name}" for owner, methods in WRITES for name in methods]
    named += [f"git.{command}" for command in sorted(GIT_WRITES)]
    return [f"{name}:{side}" for name in (*named, COMMIT) for side in ("before", "after")]


def _short(owner: Any) -> str:
    return str(owner.__name__).rpartition(".")[2].lower()


class Died(BaseException):
    """Stands for the end of the process, where it is to go on."""


def kill_oneself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_here() -> None:
    raise Died


class Passing:
    """Counts how often each point is passed, and dies the so-manieth time at one of them."""

    def __init__(self, point: str, times: int, die: Callable[[], None]) -> None:
        self._point, self._times, self._die = point, times, die
        self._passed: Counter[str] = Counter()

    def __call__(self, point: str) -> None:
        self._passed[point] += 1
        if point == self._point and self._passed[point] == self._times:
            self._die()


def install(patch: pytest.MonkeyPatch, point: str, times: int, die: Callable[[], None] = kill_oneself) -> None:
    """From now on this process dies when it passes `point` for the `times`th time."""
    passing = Passing(point, times, die)
    for owner, methods in WRITES:
        for name in methods:
            patch.setattr(owner, name, _around(passing, f"{_short(owner)}.{name}", vars(owner)[name]))
    patch.setattr(GitShell, "ask", _around_git(passing, GitShell.ask))
    patch.setattr(Store, "_write", _around_transaction(passing, Store._write))


def _around(passing: Passing, name: str, given: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(given)
    def wrapped(*args: Any, **options: Any) -> Any:
        passing(f"{name}:before")
        answer = given(*args, **options)
        passing(f"{name}:after")
        return answer

    return wrapped


def _around_git(passing: Passing, given: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(given)
    def ask(self: GitShell, *args: str, **options: Any) -> Any:
        if args[0] in GIT_WRITES:
            return _around(passing, f"git.{args[0]}", given)(self, *args, **options)
        return given(self, *args, **options)

    return ask


def _around_transaction(passing: Passing, given: Callable[..., Any]) -> Callable[..., Any]:
    """Before: all is said, nothing is committed."""

    @contextlib.contextmanager
    def write(self: Store) -> Iterator[Connection]:
        with given(self) as connection:
            yield connection
            passing(f"{COMMIT}:before")
        passing(f"{COMMIT}:after")

    return write
