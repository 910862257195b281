"""Images: the base image of tasks and scaffolds, and one image for each task, named by its content."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from evolve.core.errors import BadInput, InfraError
from evolve.core.records import Task, TaskImage
from evolve.host.temporary import temporary_folder
from evolve.sandbox import image_store
from evolve.sandbox.engine import BUILD_SECONDS, ENGINE_FAULTS, Notify, builder, connect, install_package
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.image_store import exists, inspect_image
from evolve.sandbox.task_build import RAW as RAW
from evolve.sandbox.task_build import REGISTRY_BASE, image_names, sweep_raw
from evolve.sandbox.task_build import TASK_TAG as TASK_TAG
from evolve.sandbox.task_build import task_image as task_image
from evolve.sandbox.task_build import task_tag as task_tag

LOCAL_BASE = "evolve/base:python3"


def base_image(notify: Notify) -> str:
    """Get a slim Python image: a local one, otherwise a registry's, otherwise one built from Debian packages."""
    if (name := local_base()) is not None:
        return name
    try:
        notify(f"downloading the base image {REGISTRY_BASE}")
        image_store.pull(REGISTRY_BASE, BUILD_SECONDS)
        return REGISTRY_BASE
    except ENGINE_FAULTS:
        notify("no registry answers: building a base image from the distribution's packages (about a minute)")
    return _bootstrap_base(notify)


def image_id(name: str) -> str:
    """The id of a local image, which its content decides. Raises EngineError."""
    with engine_faults():
        return str(inspect_image(name)["Id"])


def local_base() -> str | None:
    """The local base image that is used, if there is one. Raises EngineError."""
    return next(iter(local_bases()), None)


def local_bases() -> dict[str, dict[str, Any]]:
    """The engine's descriptions of the local base images, by name; the first one is used. Raises EngineError."""
    with engine_faults():
        return {name: inspect_image(name) for name in (LOCAL_BASE, REGISTRY_BASE) if exists(connect(), name)}


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
        sweep_raw()
    if missing := missing_images(tasks, base):
        notify(f"building {len(missing)} task images")
    with ThreadPoolExecutor(max_workers=max(jobs, 1)) as pool:
        builds = {task.name: pool.submit(task_image, task, base) for task in tasks}
    failures = {name: str(error) for name, build in builds.items() if isinstance(error := build.exception(), BadInput)}
    _raise_fault(builds.values())
    return {name: build.result() for name, build in builds.items() if name not in failures}, failures


def _raise_fault(builds: Iterable[Future[TaskImage]]) -> None:
    """Raise the machine's first fault. All other images are built by then, and need not be built again."""
    for build in builds:
        if isinstance(error := build.exception(), InfraError):
            raise error


def missing_images(tasks: Sequence[Task], base: str) -> list[Task]:
    """Those of the tasks that lack an image. Raises EngineError."""
    with engine_faults():
        client = connect()
        return [task for task in tasks if not all(exists(client, name) for name in image_names(task, base))]
