"""List what can be removed. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from evolve.core.errors import BadInput, EvolveError
from evolve.core.records import Verdict
from evolve.host.locks import is_locked
from evolve.host.run_names import owner_of
from evolve.host.temporary import abandoned_folders
from evolve.maintenance.doctor.lineages import find_repository
from evolve.maintenance.doctor.machine import folder_size
from evolve.maintenance.gc.removable import RUN_PARTS, GcRequest, Removable, RemovalPlan
from evolve.sandbox import engine, leftovers, task_images
from evolve.sandbox.kept import total_bytes
from evolve.store import RunRow, Store
from evolve.suite.tasks import load_suite
from evolve.trial.keeping import FOLDER


def plan(runs: Path, store: Store, request: GcRequest) -> RemovalPlan:
    """List what can be removed now, of all runs and of the engine. Raises BadInput for an unknown run."""
    rows = store.runs()
    if unknown := sorted(request.finished - {row.id for row in rows}):
        raise BadInput(f"run {unknown[0]}", "there is no such run", "see `evolve history`")
    busy = {row.id for row in rows if is_locked(runs / row.id)}
    planned = RemovalPlan()
    if request.parts & set(RUN_PARTS):
        for row in rows:
            planned += plan_run(runs, store, row, request, row.id in busy)
    if "leftovers" in request.parts:
        planned += _plan_folders()
    return planned + plan_engine(runs, store, rows, busy, request)


def plan_run(runs: Path, store: Store, row: RunRow, request: GcRequest, busy: bool = False) -> RemovalPlan:
    """List what can be removed of one run: nothing while it is running or can still be resumed."""
    if busy:
        return RemovalPlan(skipped=(f"run {row.id}: in use by another process",))
    if row.id not in request.finished and not is_finished(store, row.id):
        return RemovalPlan(skipped=(f"run {row.id}: unfinished, can be resumed; --run {row.id} treats it as finished",))
    finders = {
        "branches": _find_branches,
        "trajectories": _find_files,
        "states": _find_states,
        "exports": _find_exports,
    }
    planned = RemovalPlan()
    for part in sorted(request.parts & set(finders)):
        try:
            removable = finders[part](runs, store, row, request)
            planned += RemovalPlan((removable,)) if removable.names else RemovalPlan()
        except EvolveError as error:
            planned += RemovalPlan(skipped=(f"run {row.id}, {part}: {error}",))
    return planned


def is_finished(store: Store, run: str) -> bool:
    """Whether all rounds of the run were played, and none was started since."""
    done = any(end.reason == "done" for end in store.ends(run))
    return done and all(row.decision for row in store.rounds_in_brief(run))


def last_activity(store: Store, row: RunRow) -> datetime:
    """When the run was worked on last, as far as its rows say."""
    moments = [row.created_at, *(session.started_at for session in store.sessions(row.id))]
    moments += [end.ended_at for end in store.ends(row.id)]
    moments += [trial.started_at for trial in store.latest_trials(row.id, 1)]
    return max(map(datetime.fromisoformat, moments))


def _find_branches(runs: Path, store: Store, row: RunRow, request: GcRequest) -> Removable:
    """Branches of candidates that were reverted or refused, of a run that is old enough: no other builds on them."""
    if last_activity(store, row) >= request.before:
        return Removable("branches", row.id, (), 0)
    repository = find_repository(runs, row)
    commits, checked_out = repository.branches(row.id), repository.checked_out()
    reverted = [
        round_.candidate
        for round_ in store.rounds_in_brief(row.id)
        if round_.candidate and round_.decision and round_.decision.verdict in (Verdict.REVERT, Verdict.REFUSED)
    ]
    unmoved = [candidate.branch for candidate in reverted if commits.get(candidate.branch) == candidate.commit]
    names = [branch for branch in unmoved if branch not in checked_out]
    return Removable("branches", row.id, tuple(names), repository.weight(names) if names else 0)


def _find_files(runs: Path, store: Store, row: RunRow, request: GcRequest) -> Removable:
    """Trajectories, recordings and conversations that were started before the requested time."""
    started: dict[str, datetime] = {}
    for path, timestamp in _dated_files(store, row.id):
        moment = datetime.fromisoformat(timestamp)
        started[path] = max(moment, started.get(path, moment))
    names = tuple(path for path, moment in started.items() if moment < request.before and (runs / path).is_file())
    return Removable("trajectories", row.id, names, sum((runs / path).stat().st_size for path in names))


def _dated_files(store: Store, run: str) -> Iterable[tuple[str, str]]:
    yield from ((dated.file.path, dated.started_at) for dated in store.trial_files(run) if dated.kind != "state")
    for row in store.rounds_in_brief(run):
        if row.proposal and row.proposal.transcript:
            yield row.proposal.transcript.path, row.started_at


def _find_states(runs: Path, store: Store, row: RunRow, request: GcRequest) -> Removable:
    """Kept states of ungraded trials that were started before the requested time, and files without a row."""
    folder = runs / row.id / FOLDER
    present = {path.relative_to(runs).as_posix() for path in folder.iterdir()} if folder.is_dir() else set()
    kept = {trial.state.path: trial.started_at for trial in store.kept_states(row.id).values() if trial.state}
    recent = {path for path, started in kept.items() if datetime.fromisoformat(started) >= request.before}
    names = tuple(sorted(present - recent))
    return Removable("states", row.id, names, total_bytes(runs / name for name in names))


def _find_exports(runs: Path, store: Store, row: RunRow, _: GcRequest) -> Removable:
    folder = runs / row.id / "candidates"
    names = tuple(sorted(str(path.relative_to(runs)) for path in folder.iterdir())) if folder.is_dir() else ()
    return Removable("exports", row.id, names, folder_size(folder))


def plan_engine(runs: Path, store: Store, rows: Sequence[RunRow], busy: set[str], request: GcRequest) -> RemovalPlan:
    """List images that no run here needs, and the leftovers of stopped runs."""
    if not request.parts & {"images", "leftovers"}:
        return RemovalPlan()
    if not engine.answers():
        return RemovalPlan(skipped=("images and leftovers: no container engine answers",))
    dead = {owner_of(runs / row.id) for row in rows if row.id not in busy}
    planned = _plan_leftovers(dead) if "leftovers" in request.parts else RemovalPlan()
    return planned + (_plan_images(store, rows, busy, dead, request) if "images" in request.parts else RemovalPlan())


def _plan_folders() -> RemovalPlan:
    """Temporary folders of processes that have ended, of whatever run."""
    folders = abandoned_folders()
    size = sum(map(folder_size, folders))
    return RemovalPlan((Removable("leftovers", "", tuple(map(str, folders)), size),)) if folders else RemovalPlan()


def _plan_leftovers(dead: set[str]) -> RemovalPlan:
    now = time.time()
    safe = [leftover for leftover in leftovers.find_leftovers(dead) if leftover.is_expired(now)]
    size = sum(folder_size(Path(leftover.name)) for leftover in safe if leftover.kind == "folder")
    names = tuple(leftover.name for leftover in safe)
    return RemovalPlan((Removable("leftovers", "", names, size),)) if safe else RemovalPlan()


def _plan_images(
    store: Store, rows: Sequence[RunRow], busy: set[str], dead: set[str], request: GcRequest
) -> RemovalPlan:
    """Images that no task needs; none while any run is running, since runs of other folders are not visible here."""
    if busy or (others := sorted(leftovers.active_owners(dead))):
        return RemovalPlan(skipped=(f"images: {', '.join(sorted(busy) or others)} is running and may need them",))
    digests = {task.digest for row in rows for task in store.tasks(row.id)}
    for folder in {Path(row.suite) for row in rows} | {request.suite} - {None}:
        digests |= _suite_digests(folder)
    needed = task_images.needed_tags(digests)
    unused = [image for image in task_images.built_images() if not task_images.is_needed(image.tag, needed)]
    removable = Removable("images", "", tuple(image.tag for image in unused), sum(image.bytes for image in unused))
    return RemovalPlan((removable,)) if unused else RemovalPlan()


def _suite_digests(suite: Path | None) -> set[str]:
    """The digests of a suite's tasks as they are now; empty if it is missing or cannot be read."""
    try:
        return {task.digest for task in load_suite(suite).tasks} if suite else set()
    except BadInput:
        return set()
