"""Images: the base image of tasks and scaffolds, and one image for each task, named by its content."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, BuildError, DockerException, ImageNotFound

from evolve.core.errors import BadInput, DiskFull, EngineError, InfraError
from evolve.core.records import Task, TaskImage, stable_hash
from evolve.host import disk
from evolve.host.locks import taking_turns
from evolve.host.temporary import is_dead, process_mark, temporary_folder
from evolve.sandbox.archive import pack
from evolve.sandbox.container import PRISTINE
from evolve.sandbox.engine import BUILD_SECONDS, ENGINE_FAULTS, Notify, answers, builder, connect, install_package
from evolve.sandbox.exit_cause import engine_faults

REGISTRY_BASE = "python:3.11-slim"
LOCAL_BASE = "evolve/base:python3"
TASK_TAG = "evolve/task"
LAYOUT = 1
# The end of the name of a task's image to which the readable copy is not added yet; it is its process's own.
RAW = "-raw"
# Messages of a build step that the engine could not start, which is not the task's fault.
ENGINE_ERRORS = ("failed to create endpoint", "failed to create shim", "containerd", "context canceled")


def base_image(notify: Notify) -> str:
    """Get a slim Python image: a local one, otherwise a registry's, otherwise one built from Debian packages."""
    if (name := local_base()) is not None:
        return name
    try:
        notify(f"downloading the base image {REGISTRY_BASE}")
        _pull(REGISTRY_BASE)
        return REGISTRY_BASE
    except ENGINE_FAULTS:
        notify("no registry answers: building a base image from the distribution's packages (about a minute)")
    return _bootstrap_base(notify)


def _pull(name: str) -> None:
    """Download an image within BUILD_SECONDS. Raises DockerException."""
    deadline = time.monotonic() + BUILD_SECONDS
    for line in connect().api.pull(name, stream=True, decode=True):
        if "error" in line:
            raise DockerException(line["error"])
        if time.monotonic() > deadline:
            raise DockerException(f"took longer than {BUILD_SECONDS} s")


def _inspect(name: str) -> dict[str, Any]:
    """The engine's description of an image."""
    attributes: dict[str, Any] = connect().images.get(name).attrs
    return attributes


def image_id(name: str) -> str:
    """The id of a local image, which its content decides. Raises EngineError."""
    with engine_faults():
        return str(_inspect(name)["Id"])


def local_base() -> str | None:
    """The local base image that is used, if there is one. Raises EngineError."""
    return next(iter(local_bases()), None)


def local_bases() -> dict[str, dict[str, Any]]:
    """The engine's descriptions of the local base images, by name; the first one is used. Raises EngineError."""
    with engine_faults():
        return {name: _inspect(name) for name in (LOCAL_BASE, REGISTRY_BASE) if _exists(connect(), name)}


def _exists(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _bootstrap_base(notify: Notify) -> str:
    if shutil.which("debootstrap") is None:
        install_package(
            "debootstrap", notify, "debootstrap is needed to build a base image, because no registry answers"
        )
    with temporary_folder("base") as folder:
        root = folder / "root"
        command = ["debootstrap", "--variant=minbase", "--include=python3", _codename(), str(root)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BadInput(
                "base image",
                f"debootstrap failed: {result.stdout.strip()[-200:]}",
                f"load {REGISTRY_BASE} into the engine (`docker load`)",
            )
        for unneeded in (
            "var/cache/apt",
            "var/lib/apt/lists",
            "usr/share/doc",
            "usr/share/locale",
            "usr/share/man",
        ):
            shutil.rmtree(root / unneeded, ignore_errors=True)
        _import_root(root, folder / "root.tar")
    return LOCAL_BASE


def _codename() -> str:
    """The release of this distribution, whose keys are installed; Debian 12 if it names none."""
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "bookworm")


def _import_root(root: Path, archive: Path) -> None:
    """Import a folder as an image. The `tar` program packs it, because device files and owners must be kept."""
    name, tag = LOCAL_BASE.split(":")
    with engine_faults():
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True, capture_output=True)
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        builder().api.import_image_from_file(str(archive), repository=name, tag=tag, changes=[f"ENV {path}"])


def build_all(
    tasks: Sequence[Task], base: str, jobs: int, notify: Notify
) -> tuple[dict[str, TaskImage], dict[str, str]]:
    """Build the images of tasks that have none yet.

    Returns:
        The images by task name, and by task name the reason why an image can't be built.

    Raises:
        EngineError, DiskFull: the machine failed, which is no task's fault.
    """
    with engine_faults():
        _sweep_raw()
    if missing := missing_images(tasks, base):
        notify(f"building {len(missing)} task images")
    with ThreadPoolExecutor(max_workers=max(jobs, 1)) as pool:
        builds = {task.name: pool.submit(task_image, task, base) for task in tasks}
    failures = {name: str(error) for name, build in builds.items() if isinstance(error := build.exception(), BadInput)}
    return {name: build.result() for name, build in builds.items() if name not in failures}, failures


def missing_images(tasks: Sequence[Task], base: str) -> list[Task]:
    """Those of the tasks that have no image. Raises EngineError."""
    with engine_faults():
        return [task for task in tasks if not _exists(connect(), _tag(task, base))]


def _sweep_raw() -> None:
    """Remove the unfinished images of processes that have ended."""
    api = connect().api
    tags = [tag for row in api.images(name=TASK_TAG) for tag in row["RepoTags"] or [] if tag.endswith(RAW)]
    for tag in filter(is_dead, tags):
        with contextlib.suppress(*ENGINE_FAULTS):
            api.remove_image(tag, noprune=True)


def task_image(task: Task, base: str) -> TaskImage:
    """Find or build a task's image: its Dockerfile, then a layer with a readable copy of its working directory.

    Raises:
        BadInput: the task's files are wrong.
        EngineError, DiskFull: the machine failed.
    """
    with engine_faults():
        client, tag = connect(), _tag(task, base)
        if not _exists(client, tag):
            with taking_turns(lock_file(tag), 2 * BUILD_SECONDS):
                if not _exists(client, tag):
                    _build(client, task, base, tag)
        config = _inspect(tag)["Config"]
    return TaskImage(tag, config["WorkingDir"], tuple(config.get("Env") or ()))


def lock_file(tag: str) -> Path:
    """The file by which processes of this user build an image once."""
    return Path(tempfile.gettempdir()) / f"evolve-build-{os.getuid()}-{tag.rpartition(':')[2]}.lock"


def _tag(task: Task, base: str) -> str:
    return task_tag(task.digest, _inspect(base)["Id"])


def task_tag(digest: str, base_id: str) -> str:
    """The image name of a task with this digest, built on the base image with this id."""
    return f"{TASK_TAG}:{stable_hash(LAYOUT, digest, base_id):016x}"


def _build(client: docker.DockerClient, task: Task, base: str, tag: str) -> None:
    raw = f"{tag}-{process_mark()}{RAW}"
    try:
        _docker_build(pack(task.folder / "environment"), raw, {"BASE": base})
        workdir = _inspect(raw)["Config"].get("WorkingDir") or "/"
        if workdir == "/":
            raise BadInput(str(task.folder), "its image sets no WORKDIR", "set WORKDIR in its Dockerfile")
        copy = f"mkdir -p {PRISTINE} && cp -a {workdir}/. {PRISTINE}/ && chmod -R a+rX {PRISTINE}"
        _docker_build(_dockerfile(f"FROM {raw}\nUSER 0\nRUN {copy}\n"), tag, {})
    except (BuildError, APIError) as error:
        if (fault := _machine_fault(error)) is not None:
            raise fault from error
        raise BadInput(str(task.folder), f"its image can't be built: {error}", "fix its Dockerfile") from error
    finally:
        with contextlib.suppress(*ENGINE_FAULTS):
            client.api.remove_image(raw, noprune=True)


def build_image(context: bytes, tag: str, base: str, dockerfile: Path) -> None:
    """Build an image from a packed context with `ARG BASE`. Raises BadInput or EngineError."""
    try:
        _docker_build(context, tag, {"BASE": base}, dockerfile.name)
    except (BuildError, APIError) as error:
        if (fault := _machine_fault(error)) is not None:
            raise fault from error
        raise BadInput(str(dockerfile), f"the image can't be built: {error}", "fix the Dockerfile") from error


def _machine_fault(error: BuildError | APIError) -> InfraError | None:
    """The machine's fault behind a failed build; None if it is the task's. A dying engine reports any error."""
    if disk.mentions_full_disk(str(error)):
        return DiskFull(f"no space left for the container engine: {error}; {disk.FREE_SPACE_HINT}")
    if any(message in str(error) for message in ENGINE_ERRORS) or (
        isinstance(error, APIError) and not error.is_client_error()
    ):
        return EngineError(f"the engine failed to build an image: {error}")
    return None if answers() else EngineError(f"the engine died while building an image: {error}")


def _docker_build(context: bytes, tag: str, args: dict[str, str], dockerfile: str = "Dockerfile") -> None:
    """Build an image within BUILD_SECONDS. Raises BuildError with the builder's message."""
    deadline = time.monotonic() + BUILD_SECONDS
    options: dict[str, Any] = {"fileobj": io.BytesIO(context), "custom_context": True, "buildargs": args}
    options["dockerfile"] = dockerfile
    for line in builder().api.build(tag=tag, rm=True, forcerm=True, network_mode=None, decode=True, **options):
        if "error" in line:
            raise BuildError(line["error"], iter([line]))
        if time.monotonic() > deadline:
            raise BuildError(f"took longer than {BUILD_SECONDS} s", iter([line]))


def _dockerfile(text: str) -> bytes:
    """Pack a build context that holds a Dockerfile only."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()
