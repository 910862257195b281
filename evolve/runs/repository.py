"""Where the commits of a stored run are, wherever its scaffold's folder is now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from evolve.core.errors import BadInput
from evolve.repo import Lineage, repository_around
from evolve.runs.digests import digest_of, folder_digest
from evolve.store import RunRow
from evolve.suite.bundled import is_bundled, or_bundled
from evolve.suite.scaffold import FILE

OWN = "lineage.git"


def lineage_home(runs: Path, run: str) -> Path:
    """The repository that a run makes for itself where the scaffold is in none."""
    return runs / run / OWN


def lineage_of(row: RunRow, runs: Path) -> Lineage:
    """The lineage of a stored run.

    Where no repository has it, the run has no commit yet, and its commits go where a new run's would. Raises BadInput
    where neither a repository nor the scaffold's folder is found.
    """
    if (lineage := find_lineage(row, runs)) is not None:
        return lineage
    for folder in places_of(row.scaffold, runs):
        if folder.is_dir():
            return Lineage.open(folder, lineage_home(runs, row.id), without=left_out_places(Path(row.suite), runs))
    if is_bundled(Path(row.scaffold)):
        return new_lineage(Path(row.scaffold), lineage_home(runs, row.id), left_out_places(Path(row.suite), runs))
    raise BadInput(
        f"run {row.id}",
        f"its repository {row.repository} is missing, and so is its scaffold {row.scaffold}",
        "put one of them back, or move the repository to where it was",
    )


def find_lineage(row: RunRow, runs: Path) -> Lineage | None:
    """The first repository that has the run's seed; None if there is none. Makes nothing."""
    return next((lineage for lineage in _possible(row, runs) if lineage.seed_of(row.id) is not None), None)


def left_out_places(suite: Path, runs: Path) -> tuple[Path, Path]:
    """The folders of a run that don't belong to its scaffold, even if they lie in its folder."""
    return or_bundled(suite).resolve(), runs.resolve()


def scaffold_digest(scaffold: Path, suite: Path, runs: Path) -> str:
    """The digest of what belongs to a run's scaffold. Raises BadInput as `folder_digest` does."""
    return folder_digest(scaffold, *left_out_places(suite, runs))


def outside_of(scaffold: Path, places: Sequence[Path]) -> tuple[str, ...]:
    """Those of these folders that lie in the scaffold's, relative to it."""
    top = or_bundled(scaffold).resolve()
    return tuple(place.relative_to(top).as_posix() for place in places if top in place.parents)


def new_lineage(scaffold: Path, home: Path, without: Sequence[Path]) -> Lineage:
    """Where the commits of a new run go: the repository around the scaffold, else one of the run's own at `home`.

    A bundled scaffold is in no repository of the user's, wherever Evolve is installed.
    """
    return Lineage.open(or_bundled(scaffold), home, is_bundled(scaffold), without)


def places_of(path: str, runs: Path) -> tuple[Path, ...]:
    """Where a path of a stored run may be: as it was given, and beside the results for one that was relative."""
    given = Path(path)
    return (given,) if given.is_absolute() else (given, runs.resolve().parent / given)


def _possible(row: RunRow, runs: Path) -> Iterator[Lineage]:
    """The repositories that may hold the run, the likeliest first."""
    recorded = Path(row.repository)
    # A run that measures another run's candidate has its branches in that run's own repository.
    for bare in (lineage_home(runs, row.id), recorded, runs / recorded.parent.name / OWN):
        if bare.name == OWN and bare.is_dir():
            yield from _own(bare.resolve(), row)
    # A copy of results and repository together is a run of its own.
    if (git_dir := repository_around(runs)) is not None:
        yield from _within(git_dir, row)
    for folder in places_of(row.scaffold, runs):
        if (lineage := Lineage.around(folder)) is not None:
            yield lineage
    if recorded.is_dir():
        yield from _within(recorded, row)


def _own(bare: Path, row: RunRow) -> Iterator[Lineage]:
    """A bare repository of Evolve's: the scaffold is its root, unless it came in a pack, out of a larger one."""
    lineage = Lineage.at(bare)
    seed = lineage.seed_of(row.id)
    if seed is None or "" in lineage.folders_with(seed, FILE):
        yield lineage
    else:
        yield from _within(bare, row)


def _within(git_dir: Path, row: RunRow) -> Iterator[Lineage]:
    if (prefix := _prefix(Lineage.at(git_dir), row)) is not None:
        yield Lineage.at(git_dir, prefix)


def _prefix(lineage: Lineage, row: RunRow) -> str | None:
    """The scaffold's folder in a repository; None if the run's seed is not in it."""
    seed = lineage.seed_of(row.id)
    if seed is None:
        return None
    folders = sorted(lineage.folders_with(seed, FILE), key=lambda folder: -_shared_tail(folder, row.scaffold))
    digest = json.loads(row.config).get("scaffold_digest")
    same = (folder for folder in folders if _digest(Lineage.at(lineage.git_dir, folder), seed) == digest)
    return next(same, folders[0] if folders else None)


def _shared_tail(folder: str, scaffold: str) -> int:
    """How many names at the end two paths have in common."""
    pairs = zip(reversed(PurePosixPath(folder).parts), reversed(Path(scaffold).parts), strict=False)
    count = 0
    for ours, theirs in pairs:
        if ours != theirs:
            break
        count += 1
    return count


def _digest(lineage: Lineage, sha: str) -> str | None:
    try:
        files = lineage.files(sha)
    except BadInput:
        return None
    contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    return digest_of(contents)
