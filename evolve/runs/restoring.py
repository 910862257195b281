"""Bringing back what a run's trials need from the engine, after it failed one of them."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.errors import InfraError
from evolve.core.records import Task
from evolve.sandbox import engine, images
from evolve.sandbox.engine import Notify
from evolve.suite.task_files import task_digest


def restore_engine(tasks: Sequence[Task], base: str, notify: Notify) -> None:
    """Bring the engine up, and build those of the tasks' images that are gone: somebody may have removed them.

    Raises:
        BadInput, InfraError: It can't be done; the trials wait.
    """
    engine.bring_up(notify)
    missing = images.missing_images(tasks, base)
    if changed := [task.name for task in missing if task_digest(task.folder) != task.digest]:
        raise InfraError(f"the image of task {changed[0]} is gone, and its files have changed since the run began")
    _, failures = images.build_all(missing, base, 1, notify) if missing else ({}, {})
    if failures:
        raise InfraError(next(iter(failures.values())))
