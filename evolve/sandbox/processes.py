"""The processes of a container, as the kernel or the engine lists them: nothing that runs inside can hide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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

    @property
    def lives(self) -> bool:
        """Whether it still runs; only for one with a known start, on this machine."""
        return process_start(self.id) == self.start


def processes_of(client: docker.DockerClient, container: str) -> frozenset[Process] | None:
    """List the container's living processes; None if nobody can say."""
    ids = _ids_by_kernel(container)
    if ids is None:
        ids = _ids_by_engine(client, container)
        return None if ids is None else frozenset(Process(number, None) for number in ids)
    started = [Process(number, process_start(number)) for number in ids]
    return frozenset(process for process in started if process.start is not None)


def process_inside(client: docker.DockerClient, container: str, number: int) -> Process | None:
    """The container's process that has this id inside; None if this machine's kernel does not say."""
    present = processes_of(client, container) or ()
    return next((one for one in present if one.start is not None and _id_inside(one.id) == number), None)


def _id_inside(number: int) -> int | None:
    """The id of a process in the innermost namespace that it is in, from its id here."""
    try:
        text = Path(f"/proc/{number}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    ids = next((line.split()[1:] for line in text.splitlines() if line.startswith("NSpid:")), [])
    return int(ids[-1]) if ids else None


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
