"""Names of runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from evolve.core.records import stable_hash

NEW = "new"
ADJECTIVES = (
    "amber", "brave", "calm", "clever", "eager", "fair", "gentle", "happy",
    "keen", "lively", "merry", "noble", "proud", "quiet", "swift", "witty",
)  # fmt: skip
ANIMALS = (
    "badger", "crane", "dove", "falcon", "finch", "fox", "hare", "heron",
    "ibis", "lark", "lynx", "marten", "otter", "owl", "seal", "wren",
)  # fmt: skip


def generate_run_ids() -> Iterator[str]:
    """Yield names for a new run; one may be taken already, if the clock was set back or two runs start at once."""
    while True:
        yield new_run_id(datetime.now(UTC))


def new_run_id(moment: datetime) -> str:
    """A run's name, such as `20261123-2144-quiet-otter`."""
    number = stable_hash("run", moment.isoformat(), os.getpid())
    words = f"{ADJECTIVES[number % len(ADJECTIVES)]}-{ANIMALS[number // 64 % len(ANIMALS)]}"
    return f"{moment:%Y%m%d-%H%M}-{words}"
