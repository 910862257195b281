"""The processes of a container, as the kernel or the engine lists them: nothing that runs inside can hide."""

from __future__ import annotations

from dataclasses import dataclass

import docker

from evolve.host.platform import process_start
from evolve.sandbox import exit_cause
from evolve.sandbox.engine import ENGINE_FAULTS

# Relative to a container's own /sys/fs/cgroup: for version 1, then for version 2.
LISTS = ("pids/cgroup.procs", "cgroup.procs")


@dataclass(frozen=True)
class Process:
    """A process by its id on the host; with `start`, its start in clock ticks, an id that is used again differs."""

    id: int
    start: int | None


def processes_of(client: docker.DockerClient, container: str) -> frozenset[Process] | None:
    """List the container's living processes; None if nobody can say."""
    ids = _ids_by_kernel(container)
    if ids is None:
        ids = _ids_by_engine(client, container)
        return None if ids is None else frozenset(Process(number, None) for number in ids)
    started = [Process(number, process_start(number)) for number in ids]
    return frozenset(process for process in started if process.start is not None)


def _ids_by_kernel(container: str) -> list[int] | None:
    """The ids in the container's control group; None if it is not on this machine, or its ids are not."""
    for text in exit_cause.read_cgroup_files(container, *LISTS):
        ids = [int(line) for line in text.split()]
        return ids if ids and all(ids) else None
    return None


def _ids_by_engine(client: docker.DockerClient, container: str) -> list[int] | None:
    try:
        table = client.api.top(container)
        column = table["Titles"].index("PID")
        return [int(row[column]) for row in table["Processes"]]
    except (*ENGINE_FAULTS, KeyError, TypeError, ValueError, IndexError):
        return None
