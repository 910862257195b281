"""Remove what was planned: each run under its lock, noted in the run's folder before anything is deleted."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from evolve.core.errors import EvolveError, Locked
from evolve.host.locks import hold_lock, is_locked
from evolve.host.run_names import owner_of
from evolve.host.temporary import sweep_folders
from evolve.maintenance.doctor.lineages import find_repository
from evolve.maintenance.gc.plan import plan_run
from evolve.maintenance.gc.removable import RUN_PARTS, GcRequest, Removable, RemovalPlan
from evolve.runs import gc_record
from evolve.sandbox import leftovers, task_images
from evolve.store import Store


def remove(runs: Path, store: Store, request: GcRequest, planned: RemovalPlan) -> RemovalPlan:
    """Remove what is planned.

    Returns:
        What was removed; `skipped` has what was not, and why.
    """
    done = RemovalPlan()
    for run in sorted({entry.run for entry in planned.entries if entry.part in RUN_PARTS}):
        done += _remove_of_run(runs, store, request, run, planned)
    removers = {"images": _remove_images, "leftovers": lambda entry: _remove_leftovers(runs, store, entry)}
    for entry in planned.entries:
        if entry.part in removers:
            done += _skip_on_error(entry, removers[entry.part])
    return done


def _remove_of_run(runs: Path, store: Store, request: GcRequest, run: str, planned: RemovalPlan) -> RemovalPlan:
    """Plan again under the lock, since the run may have been resumed meanwhile, and remove what is in both plans."""
    row = store.run(run)
    assert row is not None
    try:
        with hold_lock(runs / run / "lock", run):
            current = {entry.part: set(entry.names) for entry in plan_run(runs, store, row, request).entries}
            done = RemovalPlan()
            for entry in (entry for entry in planned.entries if entry.run == run and entry.part in RUN_PARTS):
                names = tuple(name for name in entry.names if name in current.get(entry.part, ()))
                done += _skip_on_error(
                    replace(entry, names=names), lambda removable: _remove_entry(runs, store, removable)
                )
            return done
    except Locked as error:
        return RemovalPlan(skipped=(str(error),))


def _skip_on_error(entry: Removable, remover: Callable[[Removable], RemovalPlan]) -> RemovalPlan:
    try:
        return remover(entry)
    except EvolveError as error:
        return RemovalPlan(skipped=(f"{entry.part}: {error}",))


def _remove_entry(runs: Path, store: Store, entry: Removable) -> RemovalPlan:
    if entry.part == "exports":
        for name in entry.names:
            shutil.rmtree(runs / name, ignore_errors=True)
        return RemovalPlan((entry,))
    if entry.part in ("trajectories", "states"):
        gc_record.add(runs / entry.run, files=entry.names)
        for name in entry.names:
            (runs / name).unlink(missing_ok=True)
        return RemovalPlan((entry,))
    return _remove_branches(runs, store, entry)


def _remove_branches(runs: Path, store: Store, entry: Removable) -> RemovalPlan:
    row = store.run(entry.run)
    assert row is not None
    repository = find_repository(runs, row)
    commits = repository.branches(entry.run)
    gc_record.add(runs / entry.run, branches=entry.names)
    for name in entry.names:
        repository.delete(name, commits[name])
    return RemovalPlan((entry,))


def _remove_images(entry: Removable) -> RemovalPlan:
    in_use = [tag for tag in entry.names if not task_images.remove_image(tag)]
    removed = tuple(tag for tag in entry.names if tag not in in_use)
    return RemovalPlan((replace(entry, names=removed),), tuple(f"images: {tag} is in use" for tag in in_use))


def _remove_leftovers(runs: Path, store: Store, entry: Removable) -> RemovalPlan:
    """Look for them again, since a run may have been resumed meanwhile."""
    folders = sweep_folders(entry.names)
    if set(folders) == set(entry.names):
        return RemovalPlan((entry,))
    dead = {owner_of(runs / row.id) for row in store.runs() if not is_locked(runs / row.id)}
    now = time.time()
    safe = [
        leftover
        for leftover in leftovers.find_leftovers(dead)
        if leftover.name in entry.names and leftover.is_expired(now)
    ]
    leftovers.remove_leftovers(safe)
    return RemovalPlan((replace(entry, names=(*folders, *(leftover.name for leftover in safe))),))
