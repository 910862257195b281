"""Names of runs."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from evolve.core.errors import BadInput
from evolve.core.records import stable_hash

NEW = "new"
MACHINE_ID = Path("/etc/machine-id")
# Between a run's name and its place; no run's name contains it.
AT = "@"
# A name is a folder, a part of git refs and of the engine's labels and a word of commands.
POSSIBLE = re.compile(r"[A-Za-z0-9_-]{1,64}")
FIX = "use letters, digits, - and _, at most 64, with a letter or digit first"
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


def check_possible(name: str, where: str | None = None) -> None:
    """Raise BadInput if no run can have this name, new or stored. `where`: what gave it, for the error."""
    if not POSSIBLE.fullmatch(name):
        raise BadInput(where or f"run {name!r}", f"{name!r} is not a run id" if where else "is not a run id", FIX)


def check_new(name: str, taken: Collection[str]) -> None:
    """Raise BadInput if a new run can't have this name. taken: what else is in the folder of the results."""
    check_possible(name)
    if not name[0].isalnum():
        raise BadInput(f"run {name!r}", "is not a run id: programs would read it as an option or hide it", FIX)
    if name.lower() == NEW:
        raise BadInput(f"run {name!r}", "is not a run id: the name is reserved", "choose another name")
    if same := next((other for other in sorted(taken) if other.lower() == name.lower()), None):
        problem = "is not a run id: the folder of the results has a file of this name"
        if same != name:
            problem = f"is not a run id: it differs from {same!r} only by case, which some file systems ignore"
        raise BadInput(f"run {name!r}", problem, "choose another name")
