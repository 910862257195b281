"""A scaffold's own image: built and checked at the start, stored by its id, and used by it from then on."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from evolve.core.config import RunConfig
from evolve.core.errors import BadInput
from evolve.host.temporary import temporary_folder
from evolve.runs.request import NamedRun
from evolve.sandbox.build_context import DOCKERFILE
from evolve.sandbox.engine import Notify
from evolve.sandbox.forwarder import refuse_own_kernels
from evolve.sandbox.scaffold_images import built_image, pinned_image, pinned_tools, write_context
from evolve.store import RunRow
from evolve.suite import scaffold
from evolve.suite.bundled import or_bundled
from evolve.suite.scaffold import ScaffoldFile

# In the stored description of the engine.
KEY = "scaffold_images"


def image_finder(run: NamedRun, owner: str, base: str, notify: Notify) -> Callable[[ScaffoldFile, Path], str | None]:
    """From a scaffold to the id of its image: that with which the run began, if it did with this image."""
    known = {} if run.row is None else stored_images(run.row)
    return functools.partial(_find, known, owner, base, notify)


def images_at_start(config: RunConfig, owner: str, base: str, notify: Notify) -> dict[str, str]:
    """The id of the scaffold's own image, by its name; empty for a scaffold without one. Raises BadInput."""
    folder = or_bundled(config.scaffold)
    if not folder.is_dir():
        return {}
    spec = scaffold.check_folder(folder)
    if spec.launch.in_task:
        refuse_own_kernels(config.sandbox.runtime)
    name = _name(spec, folder, base, notify)
    return {name: _pinned(spec, name, owner)} if name else {}


def stored_images(row: RunRow) -> dict[str, str]:
    """The ids of the images with which a run began, by name; empty for runs of earlier versions."""
    try:
        images = json.loads(row.engine).get(KEY, {})
        return {str(name): str(identifier) for name, identifier in images.items()}
    except (ValueError, AttributeError):
        return {}


def _find(
    known: Mapping[str, str], owner: str, base: str, notify: Notify, spec: ScaffoldFile, folder: Path
) -> str | None:
    name = _name(spec, folder, base, notify)
    return _pinned(spec, name, owner, known.get(name, "")) if name else None


def _pinned(spec: ScaffoldFile, name: str, owner: str, pinned: str = "") -> str:
    """Check a scaffold's own image, and return its id: of its container, or of the tools for the task's."""
    launch = spec.launch
    return pinned_tools(name, owner, launch.tools, pinned) if launch.in_task else pinned_image(name, owner, pinned)


def _name(spec: ScaffoldFile, folder: Path, base: str, notify: Notify) -> str | None:
    """The name of a scaffold's own image, which is built from its Dockerfile or requirements if it has them."""
    if (file := spec.build_file) is None:
        return spec.image_name
    if spec.has_context:
        return built_image(folder / file, base, notify)
    # What else lies beside it evolves, and the image must not change with that.
    with temporary_folder("image") as context:
        try:
            write_context(folder / file, context)
            return built_image(context / DOCKERFILE, base, notify)
        except BadInput as error:
            raise BadInput(str(folder / file), error.problem, error.fix) from error
