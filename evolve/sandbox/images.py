"""Images: the base that tasks and scaffolds start from, and one image for each task, named by its content."""

from __future__ import annotations

import contextlib
import io
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
from evolve.sandbox.archive import pack
from evolve.sandbox.container import PRISTINE
from evolve.sandbox.engine import BUILD_SECONDS, ENGINE_FAULTS, Notify, answers, builder, connect, install_package
from evolve.sandbox.exit_cause import engine_faults

REGISTRY_BASE = "python:3.11-slim"
LOCAL_BASE = "evolve/base:python3"
TASK_TAG = "evolve/task"
LAYOUT = 1
# What the builder says where a step could not even be begun, which is no word of the task's own.
ENGINE_ERRORS = ("failed to create endpoint", "failed to create shim", "containerd", "context canceled")


def base_image(notify: Notify) -> str:
    """A slim Python image: one that is here, else from a registry, else made from the distribution's packages."""
    if (name := local_base()) is not None:
        return name
    try:
        notify(f"fetching the base image {REGISTRY_BASE}")
        _pull(REGISTRY_BASE)
        return REGISTRY_BASE
    except ENGINE_FAULTS:
        notify("no registry answers: making a base image from the distribution's packages (about a minute)")
    return _bootstrap_base(notify)


def _pull(name: str) -> None:
    """Fetch an image, within BUILD_SECONDS. Raises DockerException."""
    deadline = time.monotonic() + BUILD_SECONDS
    for line in connect().api.pull(name, stream=True, decode=True):
        if "error" in line:
            raise DockerException(line["error"])
        if time.monotonic() > deadline:
            raise DockerException(f"it takes longer than {BUILD_SECONDS} s")


def _inspect(name: str) -> dict[str, Any]:
    """What the engine says of an image."""
    found: dict[str, Any] = connect().images.get(name).attrs
    return found


def local_base() -> str | None:
    """The base image that is here already, if any. Raises EngineError."""
    return next(iter(local_bases()), None)


def local_bases() -> dict[str, dict[str, Any]]:
    """What the engine says of all base images that are here, by name; the first is the one that is used.

    Raises EngineError.
    """
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
        install_package("debootstrap", notify, "a base image is needed and no registry answers")
    with tempfile.TemporaryDirectory(prefix="evolve-base-") as folder:
        root = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", "--include=python3", _codename(), str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BadInput(
                "base image",
                f"debootstrap failed: {done.stdout.strip()[-200:]}",
                f"provide {REGISTRY_BASE} yourself",
            )
        for waste in (
            "var/cache/apt",
            "var/lib/apt/lists",
            "usr/share/doc",
            "usr/share/locale",
            "usr/share/man",
        ):
            shutil.rmtree(root / waste, ignore_errors=True)
        _import_root(root)
    return LOCAL_BASE


def _codename() -> str:
    """The distribution's own release, whose packages and keys are at hand; Debian 12 where it says none."""
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "bookworm")


def _import_root(root: Path) -> None:
    """A folder as an image. `tar` packs it, since device files and owners must survive."""
    name, tag = LOCAL_BASE.split(":")
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive, engine_faults():
        subprocess.run(["tar", "-C", str(root), "-cf", archive.name, "."], check=True, capture_output=True)
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        builder().api.import_image_from_file(archive.name, repository=name, tag=tag, changes=[f"ENV {path}"])


def build_all(
    tasks: Sequence[Task], base: str, jobs: int, notify: Notify
) -> tuple[dict[str, TaskImage], dict[str, str]]:
    """(the images by the task's name, why those of other tasks can't be built); only what is new is built.

    Raises EngineError or DiskFull where it is the machine that fails: that is no task's fault.
    """
    with engine_faults():
        missing = [task for task in tasks if not _exists(connect(), _tag(task, base))]
    if missing:
        notify(f"building {len(missing)} task images")
    with ThreadPoolExecutor(max_workers=max(jobs, 1)) as pool:
        made = {task.name: pool.submit(task_image, task, base) for task in tasks}
    failures = {name: str(error) for name, one in made.items() if isinstance(error := one.exception(), BadInput)}
    return {name: one.result() for name, one in made.items() if name not in failures}, failures


def task_image(task: Task, base: str) -> TaskImage:
    """Build (or find) one task's image: its Dockerfile, then a layer with a readable copy of its working directory.

    Raises BadInput where it is the task's fault that there is none, EngineError or DiskFull where it is the machine's.
    """
    with engine_faults():
        client, tag = connect(), _tag(task, base)
        if not _exists(client, tag):
            _build(client, task, base, tag)
        config = _inspect(tag)["Config"]
    return TaskImage(tag, config["WorkingDir"], tuple(config.get("Env") or ()))


def _tag(task: Task, base: str) -> str:
    return task_tag(task.digest, _inspect(base)["Id"])


def task_tag(digest: str, base_id: str) -> str:
    """The image's name of a task whose files have this digest, on the base image with this id."""
    return f"{TASK_TAG}:{stable_hash(LAYOUT, digest, base_id):016x}"


def _build(client: docker.DockerClient, task: Task, base: str, tag: str) -> None:
    raw = f"{tag}-raw"
    try:
        _docker_build(pack(task.folder / "environment"), raw, {"BASE": base})
        workdir = _inspect(raw)["Config"].get("WorkingDir") or "/"
        if workdir == "/":
            raise BadInput(str(task.folder), "its image has no WORKDIR of its own", "set WORKDIR in its Dockerfile")
        copy = f"mkdir -p {PRISTINE} && cp -a {workdir}/. {PRISTINE}/ && chmod -R a+rX {PRISTINE}"
        _docker_build(_dockerfile(f"FROM {raw}\nUSER 0\nRUN {copy}\n"), tag, {})
    except (BuildError, APIError) as error:
        if (fault := _machine_fault(error)) is not None:
            raise fault from error
        raise BadInput(str(task.folder), f"its image does not build: {error}", "mend its Dockerfile") from error
    finally:
        with contextlib.suppress(*ENGINE_FAULTS):
            client.api.remove_image(raw, noprune=True)


def _machine_fault(error: BuildError | APIError) -> InfraError | None:
    """Whose fault it is that an image does not build; None: the task's. An engine that dies says many things."""
    if disk.mentions_full_disk(str(error)):
        return DiskFull(f"no space left for the container engine: {error}; {disk.FREE_SPACE_HINT}")
    if any(words in str(error) for words in ENGINE_ERRORS) or (
        isinstance(error, APIError) and not error.is_client_error()
    ):
        return EngineError(f"the engine failed to build an image: {error}")
    return None if answers() else EngineError(f"the engine died while it built an image: {error}")


def _docker_build(context: bytes, tag: str, args: dict[str, str]) -> None:
    """Build one image, within BUILD_SECONDS. Raises BuildError with the builder's own word."""
    deadline = time.monotonic() + BUILD_SECONDS
    options: dict[str, Any] = {"fileobj": io.BytesIO(context), "custom_context": True, "buildargs": args}
    for line in builder().api.build(tag=tag, rm=True, forcerm=True, network_mode=None, decode=True, **options):
        if "error" in line:
            raise BuildError(line["error"], iter([line]))
        if time.monotonic() > deadline:
            raise BuildError(f"it takes longer than {BUILD_SECONDS} s", iter([line]))


def _dockerfile(text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()
