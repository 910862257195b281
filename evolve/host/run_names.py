"""Names of runs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from evolve.core.records import stable_hash

NEW = "new"
MACHINE_ID = Path("/etc/machine-id")
# Between a run's name and its place; no run's name contains it.
AT = "@"
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


def owner_of(folder: Path, kind: str = "") -> str:
    """Name the owner of what a run makes outside its folder: runs of one name in two places are two owners.

    Args:
        folder: The run's; its last part is the run's name.
        kind: Added to the name for what the run itself must not remove.
    """
    try:
        machine = MACHINE_ID.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        machine = ""
    return f"{folder.name}{kind}{AT}{stable_hash('place', platform.node(), machine, folder.parent.resolve()):016x}"
