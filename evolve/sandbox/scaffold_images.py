"""A scaffold's own image: built from its Dockerfile if it has one, checked once, and used by its id from then on."""

from __future__ import annotations

import functools
import hashlib
import shutil
from pathlib import Path

from docker.errors import ImageNotFound

from evolve.core.errors import BadInput, EngineError
from evolve.core.records import SandboxSpec, stable_hash
from evolve.core.task_format import Environment
from evolve.sandbox import images
from evolve.sandbox.agent_images import refuse_missing_tools
from evolve.sandbox.build_context import DOCKERFILE, pack_context
from evolve.sandbox.engine import Notify, connect
from evolve.sandbox.exit_cause import engine_faults
from evolve.sandbox.scaffold_container import probe_container
from evolve.sandbox.task_build import ImagePlan, found_or_made

TAG = "evolve/scaffold"
WHERE = "scaffold.toml: key `image`"
SECONDS = 30
REQUIREMENTS = "requirements.txt"
# Debian's Python has no pip, and refuses to install beside its own packages unless a variable allows it.
INSTALL = """ARG BASE
FROM ${{BASE}}
COPY {file} /tmp/{file}
RUN command -v pip3 >/dev/null || {{ apt-get update && apt-get install -y --no-install-recommends python3-pip; }}
RUN PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir -r /tmp/{file}
"""
PROBE = "python3 -S -c 'import os, socket, contextlib' && command -v timeout > /dev/null"
# What the engine says where it can't start the first program of a container.
NO_PROGRAM = ("executable file not found", "no such file or directory", "exec format error")


@functools.lru_cache(maxsize=64)
def pinned_image(name: str, owner: str, pinned: str = "") -> str:
    """Check a scaffold's image, and return the id by which the run uses it.

    Args:
        name: As `scaffold.toml` has it.
        owner: Of the container in which it is tried.
        pinned: The id that the run began with; "" for a new run.

    Raises:
        BadInput: The engine doesn't have it (any more), it has an entry point, or it lacks what a scaffold needs.
        EngineError: The engine failed.
    """
    identifier, entry_point = _find_pinned(name, pinned)
    if entry_point:
        raise BadInput(WHERE, f"`{name}` has an ENTRYPOINT", "build it with `ENTRYPOINT []`")
    _try(name, identifier, owner)
    return identifier


@functools.lru_cache(maxsize=64)
def pinned_tools(name: str, owner: str, tools: str, pinned: str = "") -> str:
    """Check the image that has an agent's tools, and return the id by which the run uses it. Nothing of it is run.

    Args:
        tools: The folder in it that goes into the images of tasks.

    Raises:
        BadInput: The engine doesn't have it (any more), or it lacks the folder.
        EngineError: The engine failed.
    """
    identifier, _ = _find_pinned(name, pinned)
    refuse_missing_tools(WHERE, name, identifier, tools, owner)
    return identifier


def _find_pinned(name: str, pinned: str) -> tuple[str, bool]:
    """As `_find`, of the image that the run began with. Raises BadInput if it is gone."""
    image = _find(pinned or name)
    if image is None:
        changed = f"`{name}` is no longer the image that the run began with, {pinned}"
        problem = changed if pinned else f"the engine has no image `{name}`"
        raise BadInput(WHERE, problem, "start another run with --run new" if pinned else "build or pull it first")
    return image


def write_context(file: Path, context: Path) -> None:
    """Write what an image is built from into an empty folder: a Dockerfile alone, or one that installs requirements."""
    if file.name == DOCKERFILE:
        shutil.copy(file, context / DOCKERFILE)
        return
    shutil.copy(file, context / REQUIREMENTS)
    (context / DOCKERFILE).write_text(INSTALL.format(file=REQUIREMENTS), encoding="utf-8")


def built_name(dockerfile: Path, base: str) -> str:
    """The name that the image of a Dockerfile has, whether it is there or not. Raises BadInput or EngineError."""
    with pack_context(dockerfile.parent) as context:
        digest = hashlib.sha256(context.read()).hexdigest()
    with engine_faults():
        return f"{TAG}:{stable_hash(digest, images.image_id(base)):016x}"


def built_image(dockerfile: Path, base: str, notify: Notify) -> str:
    """The name of the image of a Dockerfile and the files of its folder, which is built if there is none yet.

    Raises:
        BadInput: It can't be built.
        EngineError, DiskFull: The machine failed.
    """
    tag = built_name(dockerfile, base)
    if _find(tag) is None:
        notify("building the scaffold's image")
    plan = ImagePlan(tag, dockerfile.parent, Environment(context="."), base, kept=False)
    return found_or_made(plan).image


def _find(name: str) -> tuple[str, bool] | None:
    """(id, whether it has an entry point) of a local image; None if there is none."""
    with engine_faults():
        try:
            attributes = connect().images.get(name).attrs
        except ImageNotFound:
            return None
    return str(attributes["Id"]), bool(attributes["Config"].get("Entrypoint"))


def _try(name: str, identifier: str, owner: str) -> None:
    """Raise BadInput unless the image has what starts a scaffold."""
    fix = "add python3, sh and timeout to it"
    try:
        process = probe_container(owner, identifier, ["sh", "-c", PROBE], SandboxSpec(), SECONDS)
    except EngineError as error:
        if any(text in str(error) for text in NO_PROGRAM):
            raise BadInput(WHERE, f"`{name}` can't start a shell", fix) from error
        raise
    try:
        if not process.wait(SECONDS) or process.status() != 0:
            said = " ".join(process.output.decode(errors="replace").split())[-200:]
            raise BadInput(WHERE, f"`{name}` lacks python3 or timeout{f': {said}' if said else ''}", fix)
    finally:
        process.kill()
