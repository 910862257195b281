"""A scaffold's own image: built and checked at the start, stored by its id, and used by it from then on."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from evolve.core.config import RunConfig
from evolve.runs.request import NamedRun
from evolve.sandbox.engine import Notify
from evolve.sandbox.scaffold_images import built_image, pinned_image
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
    name = _name(scaffold.check_folder(folder), folder, base, notify)
    return {name: pinned_image(name, owner)} if name else {}


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
    return pinned_image(name, owner, known.get(name, "")) if name else None


def _name(spec: ScaffoldFile, folder: Path, base: str, notify: Notify) -> str | None:
    """The name of a scaffold's own image, which is built from its Dockerfile if it has one."""
    return built_image(folder / spec.dockerfile, base, notify) if spec.dockerfile else spec.image
