"""What a run changed in its scaffold, as a patch, and the user's repository in which that applies."""

from __future__ import annotations

from pathlib import Path

from evolve.core.errors import BadInput
from evolve.repo import Home, Lineage, home_around, home_of
from evolve.runs.ends import ends_of
from evolve.runs.lookup import open_results, run_row
from evolve.runs.repository import OWN, find_lineage
from evolve.store import RunRow, Store
from evolve.suite.bundled import bundled_scaffold


def patch_of(
    runs: Path, run: str | None, number: int | None = None, tip: bool = False, here: Path | None = None
) -> bytes:
    """The patch of a round, b"" for round 0; without a round the change of the champion, or the tip, since the seed.

    Its paths start at the root of the user's repository, if the scaffold is in one. here: as for `adopt_run`.

    Raises:
        BadInput: No such run, or no candidate of the round.
    """
    with open_results(runs) as store:
        row = run_row(store, run)
        pair = _pair(store, row, number, tip)
    if pair is None:
        return b""
    lineage = lineage_with(row, runs)
    home = home_of_run(row, runs, lineage, here or runs)
    return lineage.patch(*pair, home.prefix if home else "")


def _pair(store: Store, row: RunRow, number: int | None, tip: bool) -> tuple[str, str] | None:
    """The commits to compare; None if there is nothing before the second one."""
    candidates = store.candidates(row.id)
    if number is None:
        ends = ends_of(store.milestones(row.id))
        if ends is None:
            raise BadInput(f"run {row.id}", "no round is decided yet", "resume the run")
        return candidates[0].commit, ends[tip].commit
    found = [candidate for candidate in candidates if candidate.round == number]
    if not found:
        raise BadInput(f"round {number}", f"run {row.id} has no candidate of it", "see `evolve history`")
    parent = found[0].parent
    return None if parent is None else (parent, found[0].commit)


def lineage_with(row: RunRow, runs: Path) -> Lineage:
    """The lineage that holds the run's commits. Raises BadInput where no repository has them."""
    if lineage := find_lineage(row, runs):
        return lineage
    raise BadInput(
        f"run {row.id}", f"its repository {row.repository} is missing", "put it back, or see `evolve doctor`"
    )


def home_of_run(row: RunRow, runs: Path, lineage: Lineage, here: Path) -> Home | None:
    """The user's repository in which the run's scaffold lies, or would lie if it is a bundled one; None without one."""
    if lineage.git_dir.name != OWN:
        return home_of(lineage.git_dir, lineage.place.prefix, (here, *places_on_disk(row, runs)))
    return next((home_around(folder) for folder in places_on_disk(row, runs)), None)


def places_on_disk(row: RunRow, runs: Path) -> list[Path]:
    """Where the run's scaffold is on disk. A relative path counts from the folder that holds the results.

    A bundled scaffold that is not there belongs there: a folder of the same name takes its place.
    """
    given = Path(row.scaffold)
    beside = runs.resolve().parent / given
    bundled = given.parts[:-1] == ("scaffolds",) and bundled_scaffold(given.name).is_dir()
    return [folder for folder in dict.fromkeys((beside, given)) if folder.is_dir() or (bundled and folder == beside)]
