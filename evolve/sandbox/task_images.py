"""The images of tasks that this engine has: which are needed, and removing those that are not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from docker.errors import APIError

from evolve.sandbox.engine import connect
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.images import TASK_TAG, local_bases, task_tag

NOT_FOUND, IN_USE = 404, 409


@dataclass(frozen=True)
class BuiltImage:
    """A task's image; `bytes`: what it has beyond the base image, which stays."""

    tag: str
    bytes: int


def needed_tags(digests: Iterable[str]) -> set[str]:
    """The names of the images of tasks with these digests, on each base image that is here. Raises InfraError."""
    wanted = set(digests)
    with engine_faults():
        return {task_tag(digest, facts["Id"]) for facts in local_bases().values() for digest in wanted}


def built_images() -> list[BuiltImage]:
    """By tag. Raises InfraError where the engine fails."""
    with engine_faults():
        rows = connect().api.images(name=TASK_TAG)
        bases = [int(facts["Size"]) for facts in local_bases().values()]
    smallest = min(bases, default=0)
    found = [BuiltImage(tag, max(row["Size"] - smallest, 0)) for row in rows for tag in row["RepoTags"] or []]
    return sorted((one for one in found if one.tag.startswith(f"{TASK_TAG}:")), key=lambda one: one.tag)


def remove_image(tag: str) -> bool:
    """Whether the image is gone now; one that a container uses stays. Raises InfraError where the engine fails."""
    with engine_faults():
        try:
            connect().api.remove_image(tag)
        except APIError as error:
            if error.status_code not in (NOT_FOUND, IN_USE):
                raise
            return error.status_code == NOT_FOUND
    return True
