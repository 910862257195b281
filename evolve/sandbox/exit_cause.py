"""Why a container ended: it exceeded a limit, its own processes ended it, or the engine lost it.

The kernel's counters show which limit was exceeded. The engine's own flag (`OOMKilled`) errs in both directions, so it
is used only after the container's end, when the counters are gone.
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
from evolve.sandbox.engine import ENGINE_FAULTS, reset_connection

CGROUPS = Path("/sys/fs/cgroup")
# Relative to a container's own /sys/fs/cgroup: for version 1, then for version 2.
COUNTERS = {
    Cause.OOM: (("memory/memory.oom_control", "oom_kill"), ("memory.events", "oom_kill")),
    Cause.PIDS: (("pids/pids.events", "max"), ("pids.events", "max")),
}
SIGNALLED = 128
KILLED = SIGNALLED + 9
# What the engine sends to containers when it shuts down: a signal that people and programs don't use.
# The number is written out because macOS has no such signal, and this module must be importable there.
STOP_SIGNAL, STOPPED = "SIGPWR", 128 + 30
LIMIT_MET_STATUS = 3
DEADLINE_SECONDS = 10.0
# Exits with LIMIT_MET_STATUS if a counter is above 0. Shell builtins only: no further process may be possible.
COUNTER_SCRIPT = (
    "for file in {paths}; do [ -r $file ] && while read -r key value; do "
    '[ "$key" = {key} ] && [ "$value" -gt 0 ] && exit {met}; done <$file; done 2>/dev/null; exit 0'
)


@contextlib.contextmanager
def engine_faults() -> Iterator[None]:
    """Convert all errors of the engine to EngineError, or to DiskFull if it reports a full disk."""
    try:
        yield
    except ENGINE_FAULTS as error:
        if not isinstance(error, APIError):
            reset_connection()
        if disk.mentions_full_disk(str(error)) or disk.is_full_disk_error(error):
            raise DiskFull(f"no space left for the container engine: {error}; {disk.FREE_SPACE_HINT}") from error
        raise EngineError(f"container engine: {type(error).__name__}: {error}") from error


def find_cause(client: docker.DockerClient, container: str) -> Cause:
    """Find the limit that the container has exceeded so far: OOM before PIDS; NONE if it can't be known."""
    texts = _read_host_counters(container)
    cause = _find_cause_inside(client, container) if texts is None else _parse_counters(texts)
    if cause is not None:
        return cause
    with contextlib.suppress(InfraError):
        return Cause.OOM if inspect_state(client, container)["OOMKilled"] else Cause.NONE
    return Cause.NONE


def inspect_state(client: docker.DockerClient, container: str) -> dict[str, Any]:
    """The container's state as the engine reports it (`Running`, `ExitCode`, `OOMKilled`).

    Raises:
        InfraError: it does not exist.
    """
    with engine_faults():
        try:
            state: dict[str, Any] = client.api.inspect_container(container)["State"]
        except NotFound as error:
            raise EngineError(f"container {container[:12]} has vanished") from error
    return state


def ended_from_within(client: docker.DockerClient, container: str, powerful: bool) -> bool:
    """Whether a container was ended by its own processes: by using too much memory, or by ending the first process.

    If the engine stopped it, that is the machine's fault.

    Args:
        powerful: Whether its processes run as root, and so can end the first process.
    """
    state = inspect_state(client, container)
    if state["Running"]:
        return False
    return bool(state["OOMKilled"]) or (powerful and not state["Error"] and state["ExitCode"] != STOPPED)


def run_with_deadline(client: docker.DockerClient, container: str, command: list[str], user: str = "") -> int | None:
    """Run a command in a container. Its output is not read, because the agent may have replaced the shell.

    Returns:
        Its exit status; None if it still runs after DEADLINE_SECONDS.

    Raises:
        ENGINE_FAULTS: the engine failed.
    """
    api, deadline = client.api, time.monotonic() + DEADLINE_SECONDS
    exec_id = api.exec_create(container, command, user=user, stdout=False, stderr=False)["Id"]
    api.exec_start(exec_id, detach=True)
    while (state := api.exec_inspect(exec_id))["Running"] or state["ExitCode"] is None:
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)
    return int(state["ExitCode"])


def _read_host_counters(container: str) -> dict[Cause, str] | None:
    """Read the counters from this machine's /sys; None if they are not there, for example with a rootless engine."""
    for name in _cgroup_names(container):
        for version in (0, 1):
            texts = {kind: _read_text(_cgroup_path(name, files[version][0])) for kind, files in COUNTERS.items()}
            if any(texts.values()):
                return texts
    return None


def read_cgroup_files(container: str, first: str, second: str) -> Iterator[str]:
    """Read a file of the container's control group from this machine's /sys, wherever it is.

    Args:
        first, second: Its path with version 1 and with version 2, relative to the container's own /sys/fs/cgroup.
    """
    for name in _cgroup_names(container):
        yield from filter(None, (_read_text(_cgroup_path(name, path)) for path in (first, second)))


def _cgroup_names(container: str) -> tuple[str, str]:
    return f"docker/{container}", f"system.slice/docker-{container}.scope"


def _cgroup_path(name: str, path: str) -> Path:
    """The path of a container's file on the host: with version 1 the group stands below the controller."""
    controller, slash, file = path.rpartition("/")
    return CGROUPS / f"{controller}{slash}{name}/{file}"


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def _find_cause_inside(client: docker.DockerClient, container: str) -> Cause | None:
    """Read the counters inside the container; None if the engine can run nothing in it.

    If the script can't be started in a running container, its processes are at their limit.
    """
    for kind, files in COUNTERS.items():
        paths = " ".join(f"/sys/fs/cgroup/{path}" for path, _ in files)
        script = COUNTER_SCRIPT.format(paths=paths, key=files[0][1], met=LIMIT_MET_STATUS)
        try:
            status = run_with_deadline(client, container, ["sh", "-c", script])
        except ENGINE_FAULTS:
            return None
        if status:
            return kind if status == LIMIT_MET_STATUS else Cause.PIDS
    return Cause.NONE


def _parse_counters(texts: dict[Cause, str]) -> Cause:
    """The first limit whose counter is above 0."""
    for kind, text in texts.items():
        keys = {key for _, key in COUNTERS[kind]}
        pairs = (line.split() for line in text.splitlines())
        if any(pair[0] in keys and pair[1].isdigit() and int(pair[1]) > 0 for pair in pairs if len(pair) == 2):
            return kind
    return Cause.NONE
