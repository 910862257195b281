"""Measure the engine's own cost: the same containers, created, started and removed with nothing in between.

The options are recorded while a real trial runs, so the floor follows every change of the trial.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.api import APIClient

from bench.figures import Figure, figure
from bench.ours import BUILTIN, FORKED, timed_ms
from bench.trivial_task import Setup
from evolve.core.records import Outcome
from evolve.sandbox.endpoint import current_endpoint
from evolve.sandbox.engine import CALL_SECONDS
from evolve.sandbox.inside import AGENT
from evolve.sandbox.task_containers import task_container
from evolve.sandbox.task_state import TaskState
from evolve.trial.run import run_trial

Creation = tuple[tuple[Any, ...], dict[str, Any]]


def record_creations(setup: Setup) -> list[Creation]:
    """Run one trial and record the arguments with which it creates its containers.

    The files that they mount are the trial's own, and end with it: copies are kept.
    """
    calls: list[Creation] = []
    create = APIClient.create_container
    kept = Path(tempfile.mkdtemp(prefix="mounted-", dir=setup.folder))
    kept.chmod(0o755)

    def recording(api: APIClient, *args: Any, **options: Any) -> Any:
        calls.append((args, {**options, "host_config": _keep_mounts(options["host_config"], kept)}))
        return create(api, *args, **options)

    with _replace_create(recording):
        result = run_trial(setup.spec(0))
    if result.outcome is not Outcome.PASSED or len(calls) != 3:
        raise SystemExit(
            f"the recorded trial ended with {result.outcome} and {len(calls)} containers, not passed and 3"
        )
    return calls


def _keep_mounts(host: dict[str, Any], kept: Path) -> dict[str, Any]:
    """The options with copies of the mounted files and folders; a folder's sockets are left out."""
    mounts = [dict(mount) for mount in host.get("Mounts") or []]
    for mount in mounts:
        if mount["Type"] == "bind":
            source, target = Path(mount["Source"]), kept / str(len(list(kept.iterdir())))
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.sock"))
            else:
                shutil.copy(source, target)
            mount["Source"] = str(target)
    return {**host, "Mounts": mounts}


@contextmanager
def _replace_create(create: Callable[..., Any]) -> Iterator[None]:
    original = APIClient.create_container
    APIClient.create_container = create  # type: ignore[method-assign]
    try:
        yield
    finally:
        APIClient.create_container = original  # type: ignore[method-assign]


def floor_seconds(setup: Setup, jobs: int, trials: int, repeats: int) -> Figure:
    """Seconds per sequence of three containers, with `jobs` sequences in parallel."""
    creations = record_creations(setup)
    numbers = itertools.count()
    return figure([_run_parallel(creations, jobs, trials, numbers) / trials for _ in range(repeats)])


def _run_parallel(creations: list[Creation], jobs: int, trials: int, numbers: Iterator[int]) -> float:
    clients = [current_endpoint().client(CALL_SECONDS) for _ in range(jobs)]
    _run_sequence(clients[0], creations, next(numbers))
    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        shares = [(client, trials // jobs + (index < trials % jobs)) for index, client in enumerate(clients)]
        futures = [pool.submit(_run_share, client, creations, share, numbers) for client, share in shares]
    seconds = time.monotonic() - began
    for future in futures:
        future.result()
    return seconds


def _run_share(client: docker.DockerClient, creations: list[Creation], count: int, numbers: Iterator[int]) -> None:
    for _ in range(count):
        _run_sequence(client, creations, next(numbers))


def _run_sequence(client: docker.DockerClient, creations: list[Creation], number: int) -> None:
    """Create, start and remove the containers, with names and a volume of their own for each number."""
    volumes = set()
    for args, options in creations:
        renamed, names = _own_names(options, number)
        volumes |= names
        container = client.api.create_container(*args, **renamed)["Id"]
        client.api.start(container)
        client.api.remove_container(container, force=True)
    for name in volumes:
        client.api.remove_volume(name, force=True)


def _own_names(options: dict[str, Any], number: int) -> tuple[dict[str, Any], set[str]]:
    """Give the options a container's and a volume's name of their own; returns them and the names of the volumes."""
    host = dict(options["host_config"])
    mounts = [dict(mount) for mount in host.get("Mounts") or []]
    names = set()
    for mount in mounts:
        if mount["Type"] == "volume":
            mount["Source"] = f"{mount['Source']}-{number}"
            names.add(mount["Source"])
    host["Mounts"] = mounts
    return {**options, "name": f"{options['name']}-{number}", "host_config": host}, names


def exec_ms(setup: Setup, count: int) -> dict[str, Figure]:
    """Milliseconds per command: in an exec of its own, and as a line through a shell over one exec's socket."""
    state = TaskState(setup.owner, setup.image, setup.task.sandbox)
    container = task_container(state, 120)
    api = container.client.api
    try:
        single = timed_ms(lambda: _exec(api, container.id), count)
        stream = api.exec_start(api.exec_create(container.id, ["sh"], stdin=True, user=AGENT)["Id"], socket=True)
        connection = stream._sock
        figures = {
            "exec": single,
            "raw_builtin": timed_ms(lambda: _send_line(connection, BUILTIN), count),
            "raw_forked": timed_ms(lambda: _send_line(connection, FORKED), count),
        }
        stream.close()
        return figures
    finally:
        container.kill()
        state.remove()


def _exec(api: APIClient, container: str) -> None:
    identifier = api.exec_create(container, ["sh", "-c", FORKED], user=AGENT)["Id"]
    api.exec_start(identifier)
    api.exec_inspect(identifier)


def _send_line(connection: Any, command: str) -> None:
    connection.sendall(f"{command}; echo done\n".encode())
    output = b""
    while b"done\n" not in output:
        data = connection.recv(4096)
        if not data:
            raise SystemExit("the measured shell ended early")
        output += data
