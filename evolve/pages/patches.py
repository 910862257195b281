"""The patches of rounds as unified diffs, bounded so that a page stays small."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from evolve.core.errors import EvolveError
from evolve.core.escaping import plain
from evolve.pages.round_views import PatchView, RoundView
from evolve.pages.rounds import ancestors
from evolve.repo import Lineage
from evolve.runs.repository import find_lineage
from evolve.store import RunRow

# Of one patch; most patches are far smaller.
MOST_LINES = 400
# Characters of all patches of a report; what comes later is cut to its first lines.
MOST_IN_ALL = 1_000_000
FIRST_LINES = 5
MOST_LINE = 500


def patch_views(
    row: RunRow, runs: Path, rounds: Sequence[RoundView], shown: Iterable[RoundView], most: int = MOST_LINES
) -> Iterator[PatchView]:
    """The patches of the shown rounds against their parents, in their order.

    Args:
        rounds: All rounds of the run.
        shown: Those whose patch is wanted; rounds without a candidate or a parent are left out.
        most: Lines of one diff.
    """
    lineage = find_lineage(row, runs)
    commits = {one.number: one.commit for one in rounds}
    last = next((one for one in reversed(rounds) if one.decided), None)
    champion = set(ancestors(rounds, last.champion if last else None))
    tip = set(ancestors(rounds, last.tip if last else None))
    for one in shown:
        if one.commit is None or one.parent is None:
            continue
        text, omitted = bounded(diff_text(lineage, commits.get(one.parent), one.commit), most)
        yield PatchView(one, text, omitted, one.number in champion, one.number in tip)


def within(patches: Iterable[PatchView], most: int = MOST_IN_ALL) -> Iterator[PatchView]:
    """The same patches, with so many characters in all; what comes later is cut to its first lines."""
    spent = 0
    for patch in patches:
        if spent > most:
            text, omitted = bounded(patch.diff, FIRST_LINES)
            patch = replace(patch, diff=text, omitted=patch.omitted + omitted)
        spent += len(plain(patch.diff or "", lines=True))
        yield patch


def diff_text(lineage: Lineage | None, old: str | None, new: str) -> str | None:
    """The unified diff between two commits; None if the repository or one of them is missing."""
    if lineage is None or old is None:
        return None
    try:
        return lineage.diff(old, new)
    except EvolveError:
        return None


def bounded(text: str | None, most: int = MOST_LINES) -> tuple[str | None, int]:
    """At most so many lines, none longer than MOST_LINE characters; and how many lines are left out."""
    if text is None:
        return None, 0
    lines = text.split("\n", most)
    rest = lines.pop() if len(lines) > most else ""
    shown = "\n".join(line if len(line) <= MOST_LINE else f"{line[:MOST_LINE]} [...]" for line in lines)
    return shown, rest.count("\n") + 1 if rest else 0
