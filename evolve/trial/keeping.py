"""Keep what ungraded trials left behind in the run's folder, for `evolve regrade`; `evolve gc` removes it."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from evolve.core.errors import InfraError
from evolve.core.records import StoredFile, TrialSpec
from evolve.host import disk
from evolve.sandbox.kept import total_bytes
from evolve.trial.states import GradableState

FOLDER = "states"
# Of all states of a run together, compressed.
MAX_RUN_BYTES = 1_000_000_000


def keep_state(spec: TrialSpec, name: str, left: GradableState) -> StoredFile | None:
    """Keep a state in a file of this name; None if that isn't possible: the trial is as ungraded without it."""
    with contextlib.suppress(InfraError, OSError):
        if (packed := left.pack()) is not None:
            return _write(spec.folder, name, packed)
    return None


def _write(folder: Path, name: str, packed: bytes) -> StoredFile | None:
    states = folder / FOLDER
    kept = list(states.iterdir()) if states.is_dir() else []
    if total_bytes(kept) + len(packed) > MAX_RUN_BYTES:
        return None
    file = states / f"{name}.tar.gz"
    disk.write_atomically(file, packed)
    return StoredFile(file.relative_to(folder.parent).as_posix(), hashlib.sha256(packed).hexdigest())
