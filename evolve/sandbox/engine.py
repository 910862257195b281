"""The container engine: find it, start it, or install it; and sweep what earlier runs left."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from evolve.core.errors import BadInput, EngineError, InfraError
from evolve.core.records import stable_hash
from evolve.host.platform import boot_id, seconds_since_boot

LABEL = "io.evolve.run"
UNTIL = "io.evolve.until"
WORKER = "io.evolve.worker"
CALL_SECONDS = 60
START_SECONDS = 60
GRACE_SECONDS = 600
ENGINE_FAULTS = (DockerException, requests.RequestException, OSError)
BUILD_SECONDS = 600
DAEMON_LOG = Path("/var/log/evolve-dockerd.log")

Notify = Callable[[str], None]


@functools.lru_cache(maxsize=1)
def connect() -> docker.DockerClient:
    """The client of this process; every call through it has a time limit of CALL_SECONDS.

    Raises InfraError if no engine answers.
    """
    try:
        client = docker.from_env(timeout=CALL_SECONDS)
        client.ping()
    except ENGINE_FAULTS as error:
        raise EngineError(f"the container engine does not answer: {error}") from error
    return client


@functools.lru_cache(maxsize=1)
def builder() -> docker.DockerClient:
    """A client for making images, during which the engine may be silent for BUILD_SECONDS. Raises InfraError."""
    connect()
    return docker.from_env(timeout=BUILD_SECONDS)


def forget() -> None:
    """The next client is a new one: an engine that was started again may be another one."""
    connect.cache_clear()
    builder.cache_clear()


def answers() -> bool:
    """Whether an engine answers now."""
    try:
        connect().ping()
    except (InfraError, *ENGINE_FAULTS):
        forget()
        return False
    return True


def bring_up(notify: Notify) -> docker.DockerClient:
    """An engine that answers: a running one, else an installed one started, else one from the distribution.

    Says through `notify` what it is about to do. Raises BadInput where it can't be done without the user.
    """
    if answers():
        return connect()
    if os.environ.get("DOCKER_HOST"):
        raise BadInput("DOCKER_HOST", "no container engine answers there", "correct it, or unset it")
    if shutil.which("dockerd") is None:
        _install(["docker.io"], notify, "no container engine is installed")
    _start_daemon(notify)
    return connect()


def install_package(package: str, notify: Notify, why: str) -> None:
    """Install one package from the distribution, where this is root on Debian or Ubuntu; else raise BadInput."""
    _install([package], notify, why)


def _install(packages: list[str], notify: Notify, why: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        name = " ".join(packages)
        raise BadInput(
            "container engine",
            why,
            f"install {name} and start it (for example `sudo apt-get install {name}`), or set DOCKER_HOST",
        )
    notify(f"{why}: installing {' '.join(packages)} from the distribution's packages")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BadInput(
                "container engine",
                f"apt-get {command[0]} failed: {_last_line(done.stderr)}",
                "install it by hand",
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
                f"see {DAEMON_LOG} for the reason",
            )
        time.sleep(0.2)


def sweep(run: str | None = None, worker: int | None = None) -> int:
    """Remove what one run, or every run (`run` None), left behind: containers, volumes, images, temporary folders.

    `worker`: the id of the one process of the run whose things are meant; its folders stay.
    Returns how many there were. Raises InfraError where the engine fails.
    """
    api = connect().api
    labels = [LABEL if run is None else f"{LABEL}={run}"]
    label = {"label": labels if worker is None else [*labels, f"{WORKER}={worker}"]}
    try:
        containers = api.containers(all=True, filters=label, quiet=True)
        for container in containers:
            _forgiving(api.remove_container, container["Id"], force=True, v=True)
        volumes = api.volumes(filters=label)["Volumes"] or []
        for volume in volumes:
            _forgiving(api.remove_volume, volume["Name"], force=True)
        images = api.images(filters=label, quiet=True, all=True)
        for image in images:
            _forgiving(api.remove_image, image, force=True)
    except ENGINE_FAULTS as error:
        raise EngineError(f"the container engine could not be swept: {error}") from error
    folders = _sweep_folders(run) if worker is None else 0
    return len(containers) + len(volumes) + len(images) + folders


def sweep_overdue() -> int:
    """Remove containers of any run that should have ended GRACE_SECONDS ago, with their volumes; returns how many.

    A container ends by itself, but what runs in it may have stopped its clock. Raises InfraError.
    """
    api = connect().api
    try:
        found = api.containers(all=True, filters={"label": UNTIL})
        overdue = [one for one in found if is_over(one["Labels"][UNTIL], GRACE_SECONDS)]
        for container in overdue:
            _forgiving(api.remove_container, container["Id"], force=True, v=True)
            for mount in container["Mounts"]:
                if mount["Type"] == "volume":
                    _forgiving(api.remove_volume, mount["Name"], force=True)
    except ENGINE_FAULTS as error:
        raise EngineError(f"the container engine could not be swept: {error}") from error
    return len(overdue)


def labels(run: str, ttl: int) -> dict[str, str]:
    """Of a container that ends by itself after `ttl` seconds. No jump of the calendar's clock makes it overdue."""
    until = f"{time.time() + ttl:.0f} {seconds_since_boot() + ttl:.0f} {boot_id()}"
    return {**owned(run), UNTIL: until}


def owned(run: str) -> dict[str, str]:
    """The labels of what is of a run, and made by this process."""
    return {LABEL: run, WORKER: str(os.getpid())}


def is_over(until: str, grace: float) -> bool:
    """Whether the time that UNTIL tells is over, and `grace` seconds more: by the calendar if it is another boot's."""
    wall, _, monotonic = until.partition(" ")
    seconds, _, boot = monotonic.partition(" ")
    if seconds and boot == boot_id():
        return float(seconds) + grace < seconds_since_boot()
    return float(wall) + grace < time.time()


def temporary_prefix(run: str) -> str:
    """How a run's temporary folders are named: of one length, so that no prefix is the beginning of another."""
    return f"evolve-{stable_hash('temporary', run):016x}-"


def _sweep_folders(run: str | None) -> int:
    pattern = f"evolve-{'[0-9a-f]' * 16}-*" if run is None else f"{temporary_prefix(run)}*"
    folders = list(Path(tempfile.gettempdir()).glob(pattern))
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(folders)


def check_runtime(name: str | None) -> None:
    """Raise BadInput if the engine has no runtime of that name; None is its default."""
    known = sorted(connect().info().get("Runtimes") or {})
    if name is not None and name not in known:
        raise BadInput(f"RUNTIME {name}", "the engine does not have it", f"use one of: {', '.join(known)}")


def describe() -> dict[str, str]:
    """What belongs in a run's record: versions and limits' support of the engine."""
    client = connect()
    version, info = client.version(), client.info()
    return {
        "engine": f"{version.get('Platform', {}).get('Name') or 'docker'} {version['Version']}",
        "kernel": str(info.get("KernelVersion", "")),
        "cgroup": str(info.get("CgroupVersion", "1")),
        "runtime": str(info.get("DefaultRuntime", "")),
        "storage": str(info.get("Driver", "")),
        "memory_limit": str(info.get("MemoryLimit", "")),
        "pids_limit": str(info.get("PidsLimit", "")),
        "cpus": str(info.get("NCPU", "")),
    }


def _forgiving(action: Callable[..., object], name: str, **options: bool) -> None:
    """Somebody else may have removed it in the meantime: that is what was wanted."""
    try:
        action(name, **options)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:
            raise


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"
