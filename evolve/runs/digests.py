"""The digest of a scaffold's files: what tells one scaffold from another, wherever its folder is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from evolve.core.config import SETTINGS_FILE
from evolve.repo import seed_files
from evolve.suite.bundled import is_bundled, or_bundled


def folder_digest(folder: Path, runs: Path) -> str:
    """The digest of a scaffold's folder: of all that its seed commit would hold.

    What git ignores, virtual environments, caches and the results in `runs` do not count. Raises BadInput for what a
    commit can't hold, or where git refuses to work in the folder.
    """
    top = or_bundled(folder)
    return digest_of({path.as_posix(): (top / path).read_bytes() for path in seed_files(top, runs, is_bundled(folder))})


def digest_of(files: Mapping[str, bytes]) -> str:
    """sha256 over the names and contents of files, in the order of their paths' parts."""
    total = hashlib.sha256()
    for name in sorted(files, key=PurePosixPath):
        if name != SETTINGS_FILE:
            total.update(f"{name}\0".encode("utf-8", "surrogateescape") + hashlib.sha256(files[name]).digest())
    return total.hexdigest()
