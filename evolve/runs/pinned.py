"""The digests of ready images (`docker_image`), which a run stores and keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping

from evolve.core.errors import BadInput
from evolve.store import RunRow
from evolve.suite.unbuildable import UsableSuite

KEY = "images"


def pinned_images(usable: UsableSuite) -> dict[str, Mapping[str, str]]:
    """What a run stores about ready images: their digests by task, and by step for verifiers; nothing without any."""
    pins: dict[str, str] = {}
    for task, image in sorted(usable.images.items()):
        named = [(task, image), *((f"{task} verifier {step}".strip(), own) for step, own in image.verifiers)]
        pins |= {name: own.pinned for name, own in named if own.pinned}
    return {KEY: pins} if pins else {}


def check_pinned(row: RunRow, usable: UsableSuite) -> None:
    """Raise BadInput if a ready image of a stored run is another one now."""
    now = pinned_images(usable).get(KEY, {})
    for name, digest in _stored(row).items():
        if name in now and now[name] != digest:
            problem = f"the image of task {name} was {digest}, and is {now[name]} now"
            raise BadInput(f"run {row.id}", problem, f"pull {digest} and give it the name that the task asks for")


def _stored(row: RunRow) -> Mapping[str, str]:
    """The stored digests; none of a row that can't be read."""
    try:
        values = json.loads(row.engine)
    except ValueError:
        return {}
    pins = values.get(KEY, {}) if isinstance(values, dict) else {}
    return pins if isinstance(pins, dict) else {}
