"""The digests of ready images (`docker_image`), which a run stores and keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from evolve.core.errors import BadInput
from evolve.core.records import TaskImage
from evolve.store import RunRow
from evolve.suite.unbuildable import UsableSuite

KEY = "images"


def pinned_images(usable: UsableSuite) -> dict[str, Mapping[str, str]]:
    """What a run stores about ready images: their digests by task, service and verifier; empty without any."""
    pins: dict[str, str] = {}
    for task, image in sorted(usable.images.items()):
        named = [(task, image), *_others(task, image)]
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


def _others(task: str, image: TaskImage) -> Iterator[tuple[str, TaskImage]]:
    """The images beside a task's own: those of its services, of its verifiers, and of the services of these."""
    for name, service in image.services:
        yield f"{task} service {name}", service
    for step, own in image.verifiers:
        verifier = f"{task} verifier {step}".strip()
        yield verifier, own
        yield from _others(verifier, own)
