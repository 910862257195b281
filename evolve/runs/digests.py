"""The digest of a scaffold's files: what tells one scaffold from another, wherever its folder is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from evolve.core.config import SETTINGS_FILE
from evolve.repo import Survey, survey_seed
from evolve.suite.bundled import is_bundled, or_bundled


def folder_digest(folder: Path, *without: Path) -> str:
    """The digest of a scaffold's folder: of all that its seed commit would hold.

    What git ignores, virtual environments, caches, suites, tasks, results of runs and what is in the folders `without`
    do not count. Raises BadInput for what a commit can't hold, or where git refuses to work in the folder.
    """
    top = or_bundled(folder)
    entries = scaffold_survey(folder, *without).entries
    return digest_of({entry.path: (top / entry.path).read_bytes() for entry in entries})


def scaffold_survey(folder: Path, *without: Path) -> Survey:
    """What belongs to a scaffold's folder, and what is left out of it. Raises BadInput as `folder_digest` does."""
    return survey_seed(or_bundled(folder), without, is_bundled(folder))


def digest_of(files: Mapping[str, bytes]) -> str:
    """sha256 over the names and contents of files, in the order of their paths' parts."""
    total = hashlib.sha256()
    for name in sorted(files, key=PurePosixPath):
        if name != SETTINGS_FILE:
            total.update(f"{name}\0".encode("utf-8", "surrogateescape") + hashlib.sha256(files[name]).digest())
    return total.hexdigest()
