"""The name of a run: checking the one that was asked for, or choosing one, and holding its lock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from evolve.core.errors import Locked
from evolve.host import run_names
from evolve.host.locks import hold_lock
from evolve.host.run_names import NEW, generate_run_ids
from evolve.runs.identity import run_to_resume
from evolve.runs.request import RunRequest, stored_row
from evolve.store import Store
from evolve.suite.tasks import Suite


def check_name(request: RunRequest) -> None:
    """Raise BadInput if the request names a run that can't be. A stored run keeps its name, whatever it is."""
    if request.run in (None, NEW):
        return
    name, runs = str(request.run), request.runs
    run_names.check_possible(name)
    if stored_row(runs, name) is None:
        present = list(runs.iterdir()) if runs.is_dir() else []
        # A start that was killed early leaves a folder without a row.
        run_names.check_new(name, {path.name for path in present if path.name != name or not path.is_dir()})


@contextlib.contextmanager
def hold_run(request: RunRequest, suite: Suite, store: Store) -> Iterator[str]:
    """Hold the lock of the run that was asked for, or is resumed, or of a new one; yields its name. Raises Locked."""
    if (known := _known_name(request, suite, store)) is not None:
        with _locked(request, store, known):
            yield known
        return
    with contextlib.ExitStack() as stack:
        yield _new_name(request, store, stack)


def _known_name(request: RunRequest, suite: Suite, store: Store) -> str | None:
    """The run that was asked for; else the newest one if it began alike and has not ended; None: a new one."""
    if request.run not in (None, NEW):
        return str(request.run)
    row = run_to_resume(request.config, suite, request.runs, store) if request.run is None else None
    return row.id if row else None


def _new_name(request: RunRequest, store: Store, stack: contextlib.ExitStack) -> str:
    """Lock a name that no run has; another process may be taking the same one at this moment."""
    for name in generate_run_ids():
        if store.run(name) is not None:
            continue
        with contextlib.suppress(Locked):
            stack.enter_context(_locked(request, store, name))
            if store.run(name) is None:
                return name
            stack.pop_all().close()
    raise AssertionError("names never end")


@contextlib.contextmanager
def _locked(request: RunRequest, store: Store, name: str) -> Iterator[None]:
    folder = request.runs / name
    folder.mkdir(exist_ok=True)
    with hold_lock(folder / "lock", name, lambda: _holder(store, name)):
        yield


def _holder(store: Store, run: str) -> str:
    """The process that began the run's latest session."""
    sessions = store.sessions(run)
    if not sessions:
        return "another process"
    return f"process {sessions[-1].pid} on {sessions[-1].host}, since {sessions[-1].started_at},"
