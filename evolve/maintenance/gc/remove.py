"""Removes what was planned: of each run under its lock, and noted in the run's folder before it goes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from evolve.core.errors import EvolveError, Locked
from evolve.host.locks import at_work, locked
from evolve.maintenance.doctor.lineages import find_repository
from evolve.maintenance.gc.plan import plan_run
from evolve.maintenance.gc.removable import RUN_PARTS, GcRequest, Removable, RemovalPlan
from evolve.runs import gc_record
from evolve.sandbox import leftovers, task_images
from evolve.store import Store


def remove(runs: Path, store: Store, wish: GcRequest, planned: RemovalPlan) -> RemovalPlan:
    """-> what was removed; `spared`: what could not be, and why."""
    done = RemovalPlan()
    for run in sorted({heap.run for heap in planned.entries if heap.part in RUN_PARTS}):
        done += _of_run(runs, store, wish, run, planned)
    removers = {"images": _remove_images, "leftovers": lambda heap: _remove_leftovers(runs, store, heap)}
    for heap in planned.entries:
        if heap.part in removers:
            done += _told(heap, removers[heap.part])
    return done


def _of_run(runs: Path, store: Store, wish: GcRequest, run: str, planned: RemovalPlan) -> RemovalPlan:
    """Under the lock it is looked again: the run may have been gone on with since it was planned."""
    row = store.run(run)
    assert row is not None
    try:
        with locked(runs / run / "lock", run):
            still = {heap.part: set(heap.names) for heap in plan_run(runs, store, row, wish).entries}
            done = RemovalPlan()
            for heap in (heap for heap in planned.entries if heap.run == run and heap.part in RUN_PARTS):
                names = tuple(name for name in heap.names if name in still.get(heap.part, ()))
                done += _told(replace(heap, names=names), lambda one: _remove(runs, store, one))
            return done
    except Locked as error:
        return RemovalPlan(skipped=(str(error),))


def _told(heap: Removable, remove: Callable[[Removable], RemovalPlan]) -> RemovalPlan:
    try:
        return remove(heap)
    except EvolveError as error:
        return RemovalPlan(skipped=(f"{heap.part}: {error}",))


def _remove(runs: Path, store: Store, heap: Removable) -> RemovalPlan:
    if heap.part == "exports":
        for name in heap.names:
            shutil.rmtree(runs / name, ignore_errors=True)
        return RemovalPlan((heap,))
    if heap.part == "trajectories":
        gc_record.add(runs / heap.run, files=heap.names)
        for name in heap.names:
            (runs / name).unlink(missing_ok=True)
        return RemovalPlan((heap,))
    return _remove_branches(runs, store, heap)


def _remove_branches(runs: Path, store: Store, heap: Removable) -> RemovalPlan:
    row = store.run(heap.run)
    assert row is not None
    place = find_repository(runs, row)
    there = place.branches(heap.run)
    gc_record.add(runs / heap.run, branches=heap.names)
    for name in heap.names:
        place.delete(name, there[name])
    return RemovalPlan((heap,))


def _remove_images(heap: Removable) -> RemovalPlan:
    kept = [tag for tag in heap.names if not task_images.remove(tag)]
    gone = tuple(tag for tag in heap.names if tag not in kept)
    return RemovalPlan((replace(heap, names=gone),), tuple(f"images: {tag} is in use" for tag in kept))


def _remove_leftovers(runs: Path, store: Store, heap: Removable) -> RemovalPlan:
    """They are looked for anew: a run may have been gone on with since."""
    dead, now = {row.id for row in store.runs() if not at_work(runs / row.id)}, time.time()
    over = [one for one in leftovers.find(dead) if one.name in heap.names and one.safe(now)]
    leftovers.remove(over)
    return RemovalPlan((replace(heap, names=tuple(one.name for one in over)),))
