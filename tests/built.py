"""The images of the tasks that several tests run, built by one process at a time.

Two processes that build the same image at once disturb each other: each removes the layer that the other starts from.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from evolve.core.records import Split
from evolve.sandbox import images
from evolve.suite.tasks import load_suite, load_task
from tests.e2e.marked import ROOT, plant

BUNDLED = (
    "vending-machine", "lru-cache", "sorted-lookup", "ring-buffer", "interval-merge", "rate-limiter", "iso-weeks",
    "build-order",
)  # fmt: skip


@contextmanager
def building() -> Iterator[None]:
    """No other test process builds meanwhile."""
    with FileLock(Path(tempfile.gettempdir()) / f"evolve-tests-{os.geteuid()}.lock"):
        yield


def build_shared(folder: Path) -> str:
    """Build what is missing of the base image and the shared tasks' images. Returns the base image's name.

    folder: an empty one, for the tasks that are written for the tests.
    """
    plant(folder)
    bundled = [load_task(ROOT / "tasks" / "bugfix" / name, Split.TRAIN) for name in BUNDLED]
    with building():
        base = images.base_image(print)
        _, failures = images.build_all([*bundled, *load_suite(folder).tasks], base, 2, print)
    assert not failures
    return base
