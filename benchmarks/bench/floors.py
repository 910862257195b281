"""What the engine itself costs: the same containers, created, started and removed with nothing in between.

The options are those of a real trial, recorded while one runs; so the floor follows whatever the trial asks for.
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
from bench.trivial import Scene
from evolve.core.records import Outcome
from evolve.sandbox.container import AGENT, TaskState, task_container
from evolve.trial.run import run_trial

Creation = tuple[tuple[Any, ...], dict[str, Any]]


def recorded_creations(scene: Scene) -> list[Creation]:
    """The arguments of every container's creation in one trial."""
    calls: list[Creation] = []
    create = APIClient.create_container

    def recording(api: APIClient, *args: Any, **options: Any) -> Any:
        calls.append((args, options))
        return create(api, *args, **options)

    with _replaced(recording):
        result = run_trial(scene.spec(0))
    if result.outcome is not Outcome.PASSED or len(calls) != 3:
        raise SystemExit(f"the trial to take the options from came to {result.outcome} with {len(calls)} containers")
    return calls


@contextmanager
def _replaced(create: Callable[..., Any]) -> Iterator[None]:
    before = APIClient.create_container
    APIClient.create_container = create  # type: ignore[method-assign]
    try:
        yield
    finally:
        APIClient.create_container = before  # type: ignore[method-assign]


def floor_seconds(scene: Scene, jobs: int, trials: int, repeats: int) -> Figure:
    """Seconds for three containers one after another, `jobs` such sequences at once, per sequence."""
    creations = recorded_creations(scene)
    numbers = itertools.count()
    return figure([_all_at_once(creations, jobs, trials, numbers) / trials for _ in range(repeats)])


def _all_at_once(creations: list[Creation], jobs: int, trials: int, numbers: Iterator[int]) -> float:
    clients = [docker.from_env() for _ in range(jobs)]
    _three(clients[0], creations, next(numbers))
    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        shares = [(client, trials // jobs + (index < trials % jobs)) for index, client in enumerate(clients)]
        done = [pool.submit(_share, client, creations, share, numbers) for client, share in shares]
    seconds = time.monotonic() - began
    for each in done:
        each.result()
    return seconds


def _share(client: docker.DockerClient, creations: list[Creation], count: int, numbers: Iterator[int]) -> None:
    for _ in range(count):
        _three(client, creations, next(numbers))


def _three(client: docker.DockerClient, creations: list[Creation], number: int) -> None:
    """The three, and the volume that they name; each number has a volume of its own."""
    volumes, made = set(), []
    for args, options in creations:
        renamed, names, folders = _own_mounts(options, number)
        volumes |= names
        container = client.api.create_container(*args, **renamed)["Id"]
        client.api.start(container)
        client.api.remove_container(container, force=True)
        made += folders
    for name in volumes:
        client.api.remove_volume(name, force=True)
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


def _own_mounts(options: dict[str, Any], number: int) -> tuple[dict[str, Any], set[str], list[Path]]:
    """The options with another volume's name, that name, and folders made where the trial's are gone."""
    host = dict(options["host_config"])
    mounts = [dict(mount) for mount in host.get("Mounts") or []]
    names, folders = set(), []
    for mount in mounts:
        if mount["Type"] == "volume":
            mount["Source"] = f"{mount['Source']}-{number}"
            names.add(mount["Source"])
        elif not Path(mount["Source"]).exists():
            mount["Source"] = tempfile.mkdtemp(prefix="evolve-floor-")
            folders.append(Path(mount["Source"]))
    host["Mounts"] = mounts
    return {**options, "host_config": host}, names, folders


def exec_ms(scene: Scene, count: int) -> dict[str, Figure]:
    """Milliseconds of one exec each, and of a line through a shell over one exec's socket."""
    state = TaskState(scene.owner, scene.image, scene.task.sandbox)
    container = task_container(state, 120)
    api = container.client.api
    try:
        once = timed_ms(lambda: _exec(api, container.id), count)
        owner = api.exec_start(api.exec_create(container.id, ["sh"], stdin=True, user=AGENT)["Id"], socket=True)
        line = owner._sock
        figures = {
            "exec": once,
            "raw_builtin": timed_ms(lambda: _line(line, BUILTIN), count),
            "raw_forked": timed_ms(lambda: _line(line, FORKED), count),
        }
        owner.close()
        return figures
    finally:
        container.kill()
        state.remove()


def _exec(api: APIClient, container: str) -> None:
    made = api.exec_create(container, ["sh", "-c", FORKED], user=AGENT)["Id"]
    api.exec_start(made)
    api.exec_inspect(made)


def _line(line: Any, command: str) -> None:
    line.sendall(f"{command}; echo done\n".encode())
    seen = b""
    while b"done\n" not in seen:
        data = line.recv(4096)
        if not data:
            raise SystemExit("the shell that was measured ended")
        seen += data
