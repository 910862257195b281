"""A champion without one of its patches, for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evolve.core.errors import BadInput
from evolve.loop.side_by_side import Arm
from evolve.repo import Author, BadPatch, Lineage
from evolve.store import RoundRow, RunRow


@dataclass(frozen=True)
class LeftOut:
    """One patch of the champion.

    `arm`: the champion without it; None if it can't be taken out by itself, and then `why`.
    """

    number: int
    hypothesis: str
    arm: Arm | None
    why: str = ""


def champions_line(rows: Sequence[RoundRow], champion: str) -> list[RoundRow]:
    """The rounds whose patches lead from the seed to the champion, in order."""
    by_commit = {row.candidate.commit: row for row in rows if row.candidate}
    line, commit = list[RoundRow](), champion
    while (row := by_commit[commit]).candidate and row.candidate.parent:
        line.append(row)
        commit = row.candidate.parent
    return line[::-1]


def patches_left_out(row: RunRow, rows: Sequence[RoundRow], champion: str, lineage: Lineage) -> list[LeftOut]:
    """Each patch on the champion's line, with the champion without it. Raises BadInput if there is none."""
    line = champions_line(rows, champion)
    if not line:
        raise BadInput(f"run {row.id}", "the champion is still the seed scaffold", "resume the run for more rounds")
    return [_left_out(row, one, champion, lineage) for one in line]


def _left_out(row: RunRow, patch: RoundRow, champion: str, lineage: Lineage) -> LeftOut:
    assert patch.candidate and patch.candidate.parent
    words = patch.proposal.hypothesis if patch.proposal else ""
    edits = lineage.transplant(champion, patch.candidate.commit, patch.candidate.parent)
    if not edits:
        return LeftOut(
            patch.number, words, None, "later patches build on it" if edits is None else "nothing of it is left"
        )
    message, author = f"Without the patch of round {patch.number}", Author("evolve", "evolve@evolve.invalid")
    try:
        commit = lineage.commit_candidate(row.id, patch.number, champion, edits, message, author, row.created_at)
    except BadPatch as bad:
        return LeftOut(patch.number, words, None, str(bad))
    return LeftOut(patch.number, words, Arm(f"without round {patch.number}", commit))
