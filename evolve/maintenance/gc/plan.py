"""What can go. Looks, and changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from evolve.core.errors import BadInput, EvolveError
from evolve.core.records import StoredFile, Verdict
from evolve.host.locks import at_work
from evolve.maintenance.doctor.lineages import repository
from evolve.maintenance.doctor.machine import weight
from evolve.maintenance.gc.removable import OF_RUNS, Heap, Plan, Wish
from evolve.sandbox import engine, leftovers, task_images
from evolve.store import RunRow, Store
from evolve.suite.bundled import stored_folder
from evolve.suite.tasks import load_suite


def plan(runs: Path, store: Store, wish: Wish) -> Plan:
    """All that can go now, of all runs and of the engine. Raises BadInput for a run that is not there."""
    rows = store.runs()
    if unknown := sorted(wish.named - {row.id for row in rows}):
        raise BadInput(f"run {unknown[0]}", "there is no such run", "see `evolve history`")
    busy = {row.id for row in rows if at_work(runs / row.id)}
    found = Plan()
    if wish.parts & set(OF_RUNS):
        for row in rows:
            found += of_run(runs, store, row, wish, row.id in busy)
    return found + of_engine(runs, store, rows, busy, wish)


def of_run(runs: Path, store: Store, row: RunRow, wish: Wish, busy: bool = False) -> Plan:
    """What can go of one run; nothing of one that is at work or may be gone on with."""
    if busy:
        return Plan(spared=(f"run {row.id}: a process works on it",))
    if row.id not in wish.named and not ended(store, row.id):
        return Plan(spared=(f"run {row.id}: has not ended and can be gone on with; --run {row.id} takes it for ended",))
    looks = {"branches": _branches, "trajectories": _files, "exports": _exports}
    found = Plan()
    for part in sorted(wish.parts & set(looks)):
        try:
            heap = looks[part](runs, store, row, wish)
            found += Plan((heap,)) if heap.names else Plan()
        except EvolveError as error:
            found += Plan(spared=(f"run {row.id}, {part}: {error}",))
    return found


def ended(store: Store, run: str) -> bool:
    """Whether it was played to its end, and nothing was begun since."""
    done = any(end.reason == "done" for end in store.ends(run))
    return done and all(one.decision for one in store.rounds(run))


def _branches(runs: Path, store: Store, row: RunRow, _: Wish) -> Heap:
    """Of candidates that were reverted: on none of them is built, and none is the champion."""
    place = repository(runs, row)
    there, checked_out = place.branches(row.id), place.checked_out()
    reverted = [
        one.candidate
        for one in store.rounds(row.id)
        if one.candidate and one.decision and one.decision.verdict in (Verdict.REVERT, Verdict.REFUSED)
    ]
    names = [one.branch for one in reverted if there.get(one.branch) == one.commit and one.branch not in checked_out]
    return Heap("branches", row.id, tuple(names), place.weight(names) if names else 0)


def _files(runs: Path, store: Store, row: RunRow, wish: Wish) -> Heap:
    """Trajectories, recordings and conversations that were begun before the wish's time."""
    begun: dict[str, datetime] = {}
    for file, moment in _dated(store, row.id):
        when = datetime.fromisoformat(moment)
        begun[file.path] = max(when, begun.get(file.path, when))
    names = tuple(path for path, when in begun.items() if when < wish.before and (runs / path).is_file())
    return Heap("trajectories", row.id, names, sum((runs / path).stat().st_size for path in names))


def _dated(store: Store, run: str) -> Iterable[tuple[StoredFile, str]]:
    for trial in store.trials(run):
        yield from ((file, trial.started_at) for file in (trial.trajectory, trial.recording) if file)
    for one in store.rounds(run):
        if one.proposal and one.proposal.transcript:
            yield one.proposal.transcript, one.started_at


def _exports(runs: Path, store: Store, row: RunRow, _: Wish) -> Heap:
    folder = runs / row.id / "candidates"
    names = tuple(sorted(str(path.relative_to(runs)) for path in folder.iterdir())) if folder.is_dir() else ()
    return Heap("exports", row.id, names, weight(folder))


def of_engine(runs: Path, store: Store, rows: Sequence[RunRow], busy: set[str], wish: Wish) -> Plan:
    """Images that nothing here needs, and what dead runs left."""
    if not wish.parts & {"images", "leftovers"}:
        return Plan()
    if not engine.answers():
        return Plan(spared=("images and leftovers: no container engine answers",))
    dead = {row.id for row in rows} - busy
    found = _leftovers(dead) if "leftovers" in wish.parts else Plan()
    return found + (_images(runs, store, rows, busy, dead, wish) if "images" in wish.parts else Plan())


def _leftovers(dead: set[str]) -> Plan:
    now = time.time()
    over = [one for one in leftovers.find(dead) if one.safe(now)]
    size = sum(weight(Path(one.name)) for one in over if one.kind == "folder")
    return Plan((Heap("leftovers", "", tuple(one.name for one in over), size),)) if over else Plan()


def _images(runs: Path, store: Store, rows: Sequence[RunRow], busy: set[str], dead: set[str], wish: Wish) -> Plan:
    """An image may be wanted by a run of another folder, which can't be seen from here unless it is at work."""
    if busy or (others := sorted(leftovers.others_at_work(dead))):
        return Plan(spared=(f"images: {', '.join(sorted(busy) or others)} is at work and may need them",))
    digests = {task.digest for row in rows for task in store.tasks(row.id)}
    for folder in {stored_folder(Path(row.suite), runs) for row in rows} | {wish.suite} - {None}:
        digests |= _on_disk(folder)
    needed = task_images.needed(digests)
    spare = [one for one in task_images.built() if one.tag.removesuffix("-raw") not in needed]
    heap = Heap("images", "", tuple(one.tag for one in spare), sum(one.bytes for one in spare))
    return Plan((heap,)) if spare else Plan()


def _on_disk(suite: Path | None) -> set[str]:
    """The digests of a suite's tasks as they are now; none of one that is not there or can't be read."""
    try:
        return {task.digest for task in load_suite(suite).tasks} if suite else set()
    except BadInput:
        return set()
