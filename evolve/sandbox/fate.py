"""What became of a container: it runs, a limit of its own ended it, or it was lost.

The kernel's counters tell which limit was met; the engine's own flag for it errs in both directions, and is asked only
of a container that has ended, whose counters are gone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound

from evolve.errors import InfraError
from evolve.records import Cause
from evolve.sandbox.engine import ENGINE_FAULTS

CGROUPS = Path("/sys/fs/cgroup")
# Relative to a container's own /sys/fs/cgroup: first as of version 1, then as of version 2.
COUNTERS = {
    Cause.OOM: (("memory/memory.oom_control", "oom_kill"), ("memory.events", "oom_kill")),
    Cause.PIDS: (("pids/pids.events", "max"), ("pids.events", "max")),
}
KILLED = 137


@contextlib.contextmanager
def engine_faults() -> Iterator[None]:
    """Whatever the engine does wrong is an InfraError."""
    try:
        yield
    except ENGINE_FAULTS as error:
        raise InfraError(f"container engine: {type(error).__name__}: {error}") from error


def cause(client: docker.DockerClient, container: str) -> Cause:
    """Which limit the container has met so far; OOM before PIDS, NONE where nothing can be known."""
    if (text := _on_host(container)) is None:
        text = _from_within(client, container)
    if text is not None:
        return _told(text)
    with contextlib.suppress(InfraError):
        return Cause.OOM if state(client, container)["OOMKilled"] else Cause.NONE
    return Cause.NONE


def state(client: docker.DockerClient, container: str) -> dict[str, Any]:
    """The engine's word on a container (`Running`, `ExitCode`, `OOMKilled`). Raises InfraError if it is not there."""
    with engine_faults():
        try:
            found: dict[str, Any] = client.api.inspect_container(container)["State"]
        except NotFound as error:
            raise InfraError(f"container {container[:12]} has vanished") from error
    return found


def ended_by_inmates(client: docker.DockerClient, container: str, powerful: bool) -> bool:
    """Whether what ran inside a container ended it: out of memory, or, where `powerful`, by killing its first process.

    A container that still runs has not ended; one that anything else ended is the machine's fault.
    """
    found = state(client, container)
    if found["Running"]:
        return False
    return bool(found["OOMKilled"]) or (powerful and found["ExitCode"] == KILLED)


def _on_host(container: str) -> dict[Cause, str] | None:
    """The counters by this machine's own /sys; None where the engine keeps them elsewhere, or is elsewhere."""
    names = (f"docker/{container}", f"system.slice/docker-{container}.scope")
    for name in names:
        first = {kind: _text(CGROUPS / path.replace("/", f"/{name}/")) for kind, ((path, _), _) in COUNTERS.items()}
        second = {kind: _text(CGROUPS / name / path) for kind, (_, (path, _)) in COUNTERS.items()}
        for found in (first, second):
            if any(found.values()):
                return found
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def _from_within(client: docker.DockerClient, container: str) -> dict[Cause, str] | None:
    """The counters as the container sees them; None if the engine can run nothing in it.

    A command that the container has no room for, though it runs, says as much as the counter of processes.
    """
    found: dict[Cause, str] = {}
    for kind, places in COUNTERS.items():
        paths = " ".join(f"/sys/fs/cgroup/{path}" for path, _ in places)
        try:
            made = client.api.exec_create(container, ["sh", "-c", f"cat {paths} 2>/dev/null; exit 0"], stderr=False)
            found[kind] = client.api.exec_start(made["Id"]).decode("ascii", "replace")
            if client.api.exec_inspect(made["Id"])["ExitCode"] != 0:
                return {Cause.PIDS: "max 1"}
        except ENGINE_FAULTS:
            return None
    return found


def _told(texts: dict[Cause, str]) -> Cause:
    for kind, text in texts.items():
        keys = {key for _, key in COUNTERS[kind]}
        pairs = (line.split() for line in text.splitlines())
        if any(pair[0] in keys and pair[1].isdigit() and int(pair[1]) > 0 for pair in pairs if len(pair) == 2):
            return kind
    return Cause.NONE
