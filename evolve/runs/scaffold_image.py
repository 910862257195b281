"""The image that a run's scaffold names: checked at the start, stored by its id, and used by that id when resumed."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping

from evolve.core.config import RunConfig
from evolve.runs.request import NamedRun
from evolve.sandbox.scaffold_images import pinned_image
from evolve.store import RunRow
from evolve.suite import scaffold
from evolve.suite.bundled import or_bundled

# In the stored description of the engine.
KEY = "scaffold_images"


def image_finder(run: NamedRun, owner: str) -> Callable[[str], str]:
    """From the name of an image to its id: that with which the run began, if it did with this image."""
    known = {} if run.row is None else stored_images(run.row)
    return functools.partial(_find, known, owner)


def images_at_start(config: RunConfig, owner: str) -> dict[str, str]:
    """The id of the image that the scaffold names, by its name; empty for one that names none. Raises BadInput."""
    if not or_bundled(config.scaffold).is_dir():
        return {}
    name = scaffold.check_folder(config.scaffold).image
    return {name: pinned_image(name, owner)} if name else {}


def stored_images(row: RunRow) -> dict[str, str]:
    """The ids of the images with which a run began, by name; empty for runs of earlier versions."""
    try:
        images = json.loads(row.engine).get(KEY, {})
        return {str(name): str(identifier) for name, identifier in images.items()}
    except (ValueError, AttributeError):
        return {}


def _find(known: Mapping[str, str], owner: str, name: str) -> str:
    return pinned_image(name, owner, known.get(name, ""))
