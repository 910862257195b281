"""The container engine: connecting to it, starting or installing it, and removing what earlier runs left in it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from evolve.core.errors import BadInput, EngineError, EvolveError
from evolve.core.records import stable_hash
from evolve.core.text import last_line
from evolve.host.platform import boot_id, seconds_since_boot
from evolve.host.run_names import AT
from evolve.host.temporary import MARK
from evolve.sandbox.endpoint import HOST_VARIABLE, Endpoint, current_endpoint
from evolve.sandbox.engine_features import refuse_missing_limits, refuse_podman, uses_selinux

LABEL = "io.evolve.run"
PLACE = "io.evolve.place"
UNTIL = "io.evolve.until"
WORKER = "io.evolve.worker"
CALL_SECONDS = 60
START_SECONDS = 60
GRACE_SECONDS = 600
ENGINE_FAULTS = (DockerException, requests.RequestException, OSError)
BUILD_SECONDS = 600
CHANGE_CONTEXT = "start it, or choose another with `docker context use`"
DAEMON_LOG = Path("/var/log/evolve-dockerd.log")

Notify = Callable[[str], None]


@functools.lru_cache(maxsize=1)
def connect() -> docker.DockerClient:
    """Connect this process to the engine; every call through the client has a time limit of CALL_SECONDS.

    Raises:
        EngineError: no engine answers.
        BadInput: the endpoint's settings are wrong, or its engine can't be used.
    """
    endpoint = current_endpoint()
    try:
        client = endpoint.client(CALL_SECONDS)
        version = client.version()
    except ENGINE_FAULTS as error:
        raise EngineError(f"the container engine does not answer: {error}") from error
    except ValueError as error:
        where = endpoint.source or "container engine"
        raise BadInput(
            where, f"{endpoint.url} is no address ({error})", "write it like unix:///run/docker.sock"
        ) from error
    refuse_podman(str(endpoint), version)
    return client


@functools.lru_cache(maxsize=1)
def builder() -> docker.DockerClient:
    """A client for building images, during which the engine may be silent for BUILD_SECONDS. Raises as `connect`."""
    connect()
    return current_endpoint().client(BUILD_SECONDS)


@functools.lru_cache(maxsize=1)
def info() -> dict[str, Any]:
    """The engine's answer to /info, asked for once. Raises ENGINE_FAULTS, and as `connect`."""
    facts: dict[str, Any] = connect().info()
    return facts


def reset_connection() -> None:
    """Drop the clients: an engine that was restarted may be another one."""
    connect.cache_clear()
    builder.cache_clear()
    info.cache_clear()


def answers() -> bool:
    """Whether an engine that can be used answers now."""
    return connection_problem() is None


def connection_problem() -> EvolveError | None:
    """Why no engine can be used now, if so: BadInput if the user must act, EngineError if none answers."""
    try:
        connect().ping()
    except EvolveError as error:
        reset_connection()
        return error
    except ENGINE_FAULTS as error:
        reset_connection()
        return EngineError(f"the container engine does not answer: {error}")
    return None


def bring_up(notify: Notify) -> docker.DockerClient:
    """Connect to a running engine; otherwise start the installed one, or install the distribution's.

    An engine that the user named by DOCKER_HOST or a Docker context is never replaced by another one.
    Reports through `notify` what it is about to do, and which engine it uses if the user named one.

    Raises:
        BadInput: it can't be done without the user.
    """
    is_new = connect.cache_info().currsize == 0
    problem = connection_problem()
    if isinstance(problem, BadInput):
        raise problem
    if problem is not None:
        _start(notify)
    client = connect()
    if is_new or problem is not None:
        _check_engine(current_endpoint(), notify)
    return client


def chosen_problem() -> BadInput | None:
    """Why an engine that does not answer must not be replaced by another: it is the user's choice, or forbidden."""
    endpoint = current_endpoint()
    if endpoint.forbidden():
        fix = "add yourself to the group docker, or use rootless Docker"
        return BadInput(f"container engine {endpoint}", "your user may not use its socket", fix)
    if endpoint.chosen:
        fix = "start it, or unset DOCKER_HOST" if endpoint.source == HOST_VARIABLE else CHANGE_CONTEXT
        return BadInput(endpoint.source, f"no container engine answers at {endpoint.url}", fix)
    return None


def _start(notify: Notify) -> None:
    """Start the default engine, and install it first where that is possible."""
    if (problem := chosen_problem()) is not None:
        raise problem
    if shutil.which("dockerd") is None:
        _install(["docker.io"], notify, "no container engine is installed")
    _start_daemon(notify)


def _check_engine(endpoint: Endpoint, notify: Notify) -> None:
    """Report what is special about the engine. Raises BadInput where it can't enforce the limits."""
    try:
        facts = info()
    except ENGINE_FAULTS as error:
        raise EngineError(f"the container engine does not answer: {error}") from error
    refuse_missing_limits(str(endpoint), facts)
    if endpoint.chosen:
        notify(f"using the container engine at {endpoint}")
    if uses_selinux(facts):
        notify("SELinux is on: containers run with label=disable, because scaffolds need the gateway's mounted socket")


def install_package(package: str, notify: Notify, why: str) -> None:
    """Install a package of the distribution, as root on Debian or Ubuntu, else raise BadInput. `why` is printed."""
    _install([package], notify, why)


def _install(packages: list[str], notify: Notify, why: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        fix = f"install it (for example `sudo apt-get install {' '.join(packages)}`), or set DOCKER_HOST"
        raise BadInput("container engine", why, fix)
    notify(f"{why}: installing {' '.join(packages)} from the distribution's packages")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        result = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BadInput(
                "container engine",
                f"apt-get {command[0]} failed: {last_line(result.stderr, 'no message')}",
                "install it yourself",
            )


def _start_daemon(notify: Notify) -> None:
    if os.geteuid() != 0:
        raise BadInput("container engine", "installed but not running", "start it: `sudo systemctl start docker`")
    if Path("/run/systemd/system").is_dir():
        notify("starting the container engine (systemctl start docker)")
        subprocess.run(["systemctl", "start", "docker"], check=False, capture_output=True)
    else:
        notify(f"starting the container engine (dockerd in the background, log in {DAEMON_LOG})")
        with DAEMON_LOG.open("ab") as log:
            subprocess.Popen(
                ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if time.monotonic() > deadline:
            raise BadInput(
                "container engine",
                f"did not answer within {START_SECONDS} s",
                f"the reason is in {DAEMON_LOG}",
            )
        time.sleep(0.2)


def sweep(run: str | None = None, worker: int | None = None) -> int:
    """Remove what a run left behind: containers, volumes, networks, images and temporary folders.

    Args:
        run: The owner; None for every run.
        worker: Remove only what the process with this id made, and no folders.

    Returns:
        How many things were removed.

    Raises:
        EngineError: the engine failed.
    """
    api = connect().api
    labels = [LABEL] if run is None else [f"{key}={value}" for key, value in _place_labels(run).items()]
    label = {"label": labels if worker is None else [*labels, f"{WORKER}={worker}"]}
    try:
        containers = api.containers(all=True, filters=label, quiet=True)
        for container in containers:
            _ignore_missing(api.remove_container, container["Id"], force=True, v=True)
        volumes = api.volumes(filters=label)["Volumes"] or []
        for volume in volumes:
            _ignore_missing(api.remove_volume, volume["Name"], force=True)
        networks = api.networks(filters=label)
        for network in networks:
            _ignore_missing(api.remove_network, network["Id"])
        images = api.images(filters=label, quiet=True, all=True)
        for image in images:
            _ignore_missing(api.remove_image, image, force=True)
    except ENGINE_FAULTS as error:
        raise EngineError(f"can't remove leftovers from the container engine: {error}") from error
    folders = _sweep_folders(run) if worker is None else 0
    return len(containers) + len(volumes) + len(networks) + len(images) + folders


def sweep_overdue() -> int:
    """Remove the containers of all runs that should have ended GRACE_SECONDS ago, their volumes and networks.

    Containers end by themselves, but a process in one may have stopped its timer.

    Returns:
        How many containers were removed.

    Raises:
        EngineError: the engine failed.
    """
    api = connect().api
    try:
        containers = api.containers(all=True, filters={"label": UNTIL})
        overdue = [container for container in containers if is_overdue(container["Labels"][UNTIL], GRACE_SECONDS)]
        for container in overdue:
            _ignore_missing(api.remove_container, container["Id"], force=True, v=True)
            for mount in container["Mounts"]:
                if mount["Type"] == "volume":
                    _ignore_missing(api.remove_volume, mount["Name"], force=True)
        for network in api.networks(filters={"label": UNTIL}):
            if is_overdue(network["Labels"][UNTIL], GRACE_SECONDS):
                _ignore_missing(api.remove_network, network["Id"])
    except ENGINE_FAULTS as error:
        raise EngineError(f"can't remove leftovers from the container engine: {error}") from error
    return len(overdue)


def container_labels(run: str, ttl: int) -> dict[str, str]:
    """The labels of a container that ends by itself after `ttl` seconds; setting the clock does not make it overdue."""
    until = f"{time.time() + ttl:.0f} {seconds_since_boot() + ttl:.0f} {boot_id()}"
    return {**owner_labels(run), UNTIL: until}


def owner_labels(run: str) -> dict[str, str]:
    """The labels of everything that this process makes for an owner."""
    return {**_place_labels(run), WORKER: str(os.getpid())}


def _place_labels(owner: str) -> dict[str, str]:
    """The run's name, and where its folder is if the owner says so: several hosts may share an engine."""
    run, _, place = owner.partition(AT)
    return {LABEL: run, PLACE: place} if place else {LABEL: run}


def is_overdue(until: str, grace: float) -> bool:
    """Whether the time in an UNTIL label passed `grace` seconds ago; after a reboot the calendar clock decides."""
    wall, _, monotonic = until.partition(" ")
    seconds, _, boot = monotonic.partition(" ")
    if seconds and boot == boot_id():
        return float(seconds) + grace < seconds_since_boot()
    return float(wall) + grace < time.time()


def temporary_prefix(run: str) -> str:
    """The prefix of an owner's temporary folders; none is the beginning of another. It has the mark of a run's name."""
    mark = f"{match[0]}-" if (match := MARK.search(run)) else ""
    return f"evolve-{stable_hash('temporary', run):016x}-{mark}"


def _sweep_folders(run: str | None) -> int:
    pattern = f"evolve-{'[0-9a-f]' * 16}-*" if run is None else f"{temporary_prefix(run)}*"
    folders = list(Path(tempfile.gettempdir()).glob(pattern))
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(folders)


def check_runtime(name: str | None) -> None:
    """Raise BadInput if the engine has no runtime of that name; None means its default."""
    runtimes = sorted(info().get("Runtimes") or {})
    if name is not None and name not in runtimes:
        raise BadInput(f"runtime {name}", "the engine does not have it", f"use one of: {', '.join(runtimes)}")


def describe() -> dict[str, str]:
    """Describe the engine for a run's record: its version, and which limits it supports."""
    version, facts = connect().version(), info()
    return {
        "engine": f"{version.get('Platform', {}).get('Name') or 'docker'} {version['Version']}",
        "kernel": str(facts.get("KernelVersion", "")),
        "cgroup": str(facts.get("CgroupVersion", "1")),
        "runtime": str(facts.get("DefaultRuntime", "")),
        "storage": str(facts.get("Driver", "")),
        "memory_limit": str(facts.get("MemoryLimit", "")),
        "pids_limit": str(facts.get("PidsLimit", "")),
        "cpus": str(facts.get("NCPU", "")),
    }


def _ignore_missing(action: Callable[..., object], name: str, **options: bool) -> None:
    """Remove something; it is fine if it is gone already, or if another process is removing it."""
    try:
        action(name, **options)
    except NotFound:
        return
    except APIError as error:
        # A network that a container still uses is forbidden to go.
        if error.status_code not in (403, 409):
            raise
