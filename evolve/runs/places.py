"""Where the results lie: a folder with one database, which the user names."""

from __future__ import annotations

import os
from pathlib import Path

from evolve.core.errors import BadInput

DATABASE = "evolve.db"
FIX = "give another folder with --runs"


def check_readable(runs: Path) -> None:
    """Raise BadInput if this can't be the folder of the results: it lies in a file, or its database is a folder."""
    place = _nearest(runs)
    if not place.is_dir():
        raise BadInput(f"runs {runs}", f"{place} is a file, not a folder", FIX)
    if (runs / DATABASE).is_dir():
        raise BadInput(str(runs / DATABASE), "is a folder, not a database", f"move it away, or {FIX}")


def check_writable(runs: Path) -> None:
    """Raise BadInput if results can't be written to this folder, which need not exist yet."""
    check_readable(runs)
    for place in (_nearest(runs), runs / DATABASE):
        if place.exists() and not os.access(place, os.W_OK):
            problem = f"this user may not write to {place}"
            raise BadInput(f"runs {runs}", problem, f"{FIX}, or give this user the right to write there")


def _nearest(runs: Path) -> Path:
    """The folder itself, or what is nearest to it on the way there."""
    return next(place for place in (runs, *runs.absolute().parents) if os.path.lexists(place))
