"""The engine's task images: listing them, which ones are needed, and removing the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from docker.errors import APIError

from evolve.host.temporary import is_dead
from evolve.sandbox.engine import connect
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.images import local_bases
from evolve.sandbox.task_build import RAW, TASK_TAG, task_of_tag, task_tag

NOT_FOUND, IN_USE = 404, 409


@dataclass(frozen=True)
class BuiltImage:
    """A task's image; `bytes`: its size without the base image, which is kept."""

    tag: str
    bytes: int


def needed_tags(digests: Iterable[str]) -> set[str]:
    """The names of the images of tasks with these digests, for each local base image. Raises InfraError."""
    unique = set(digests)
    with engine_faults():
        return {task_tag(digest, facts["Id"]) for facts in local_bases().values() for digest in unique}


def built_images() -> list[BuiltImage]:
    """List the task images by tag. Raises InfraError if the engine fails."""
    with engine_faults():
        rows = connect().api.images(name=TASK_TAG)
        bases = [int(facts["Size"]) for facts in local_bases().values()]
    smallest = min(bases, default=0)
    tags = [(tag, max(row["Size"] - smallest, 0)) for row in rows for tag in row["RepoTags"] or []]
    return [BuiltImage(tag, size) for tag, size in sorted(tags) if tag.startswith(f"{TASK_TAG}:")]


def is_needed(tag: str, needed: Collection[str]) -> bool:
    """Whether an image is one of those that are needed, or the unfinished one of a process that is building it."""
    if not tag.endswith(RAW):
        return task_of_tag(tag) in needed
    dead = is_dead(tag)
    return task_of_tag(tag) in needed if dead is None else not dead


def remove_image(tag: str) -> bool:
    """Remove an image unless a container uses it.

    Returns:
        Whether it is gone.

    Raises:
        InfraError: the engine failed.
    """
    with engine_faults():
        try:
            connect().api.remove_image(tag)
        except APIError as error:
            if error.status_code not in (NOT_FOUND, IN_USE):
                raise
            return error.status_code == NOT_FOUND
    return True
