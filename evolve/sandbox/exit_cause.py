"""What became of a container: it runs, a limit of its own ended it, or it was lost.

The kernel's counters tell which limit was met; the engine's own flag for it errs in both directions, and is asked only
of a container that has ended, whose counters are gone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, NotFound

from evolve.core.errors import DiskFull, EngineError, InfraError
from evolve.core.records import Cause
from evolve.host import disk
from evolve.sandbox.engine import ENGINE_FAULTS, forget

CGROUPS = Path("/sys/fs/cgroup")
# Relative to a container's own /sys/fs/cgroup: first as of version 1, then as of version 2.
COUNTERS = {
    Cause.OOM: (("memory/memory.oom_control", "oom_kill"), ("memory.events", "oom_kill")),
    Cause.PIDS: (("pids/pids.events", "max"), ("pids.events", "max")),
}
KILLED = 137
# What an engine that shuts down sends, told apart from what people and programs send each other.
# The number is written out because other systems have no such signal, and this module must be importable there.
STOP_SIGNAL, STOPPED = "SIGPWR", 128 + 30
MET = 3
WITHIN_SECONDS = 10.0
# By the shell alone: it ends with MET if one of the counters is above 0, and needs no room for another process.
LOOK = (
    "for file in {paths}; do [ -r $file ] && while read -r key value; do "
    '[ "$key" = {key} ] && [ "$value" -gt 0 ] && exit {met}; done <$file; done 2>/dev/null; exit 0'
)


@contextlib.contextmanager
def engine_faults() -> Iterator[None]:
    """Whatever the engine does wrong is an EngineError; DiskFull where that is what it says."""
    try:
        yield
    except ENGINE_FAULTS as error:
        if not isinstance(error, APIError):
            forget()
        if disk.says_no_room(str(error)) or disk.is_no_room(error):
            raise DiskFull(
                f"no room for the container engine: {error}; make room, and run the same command again"
            ) from error
        raise EngineError(f"container engine: {type(error).__name__}: {error}") from error


def cause(client: docker.DockerClient, container: str) -> Cause:
    """Which limit the container has met so far; OOM before PIDS, NONE where nothing can be known."""
    text = _on_host(container)
    found = _from_within(client, container) if text is None else _told(text)
    if found is not None:
        return found
    with contextlib.suppress(InfraError):
        return Cause.OOM if state(client, container)["OOMKilled"] else Cause.NONE
    return Cause.NONE


def state(client: docker.DockerClient, container: str) -> dict[str, Any]:
    """The engine's word on a container (`Running`, `ExitCode`, `OOMKilled`). Raises InfraError if it is not there."""
    with engine_faults():
        try:
            found: dict[str, Any] = client.api.inspect_container(container)["State"]
        except NotFound as error:
            raise EngineError(f"container {container[:12]} has vanished") from error
    return found


def ended_by_inmates(client: docker.DockerClient, container: str, powerful: bool) -> bool:
    """Whether what ran inside a container ended it: out of memory, or, where `powerful`, by ending its first process.

    A container that still runs has not ended; one that the engine stopped is the machine's fault.
    """
    found = state(client, container)
    if found["Running"]:
        return False
    return bool(found["OOMKilled"]) or (powerful and not found["Error"] and found["ExitCode"] != STOPPED)


def run_within(client: docker.DockerClient, container: str, command: list[str], user: str = "") -> int | None:
    """A command's exit status; None if it has not ended after WITHIN_SECONDS, and then it is still there.

    Nothing that it prints comes here: the container may be its inmates' own, its shell too. Raises ENGINE_FAULTS.
    """
    api, deadline = client.api, time.monotonic() + WITHIN_SECONDS
    made = api.exec_create(container, command, user=user, stdout=False, stderr=False)["Id"]
    api.exec_start(made, detach=True)
    while (found := api.exec_inspect(made))["Running"] or found["ExitCode"] is None:
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)
    return int(found["ExitCode"])


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


def _from_within(client: docker.DockerClient, container: str) -> Cause | None:
    """What the counters say as the container sees them; None if the engine can run nothing in it.

    A command that the container has no room for, though it runs, says as much as the counter of processes.
    """
    for kind, places in COUNTERS.items():
        paths = " ".join(f"/sys/fs/cgroup/{path}" for path, _ in places)
        look = LOOK.format(paths=paths, key=places[0][1], met=MET)
        try:
            status = run_within(client, container, ["sh", "-c", look])
        except ENGINE_FAULTS:
            return None
        if status:
            return kind if status == MET else Cause.PIDS
    return Cause.NONE


def _told(texts: dict[Cause, str]) -> Cause:
    for kind, text in texts.items():
        keys = {key for _, key in COUNTERS[kind]}
        pairs = (line.split() for line in text.splitlines())
        if any(pair[0] in keys and pair[1].isdigit() and int(pair[1]) > 0 for pair in pairs if len(pair) == 2):
            return kind
    return Cause.NONE
