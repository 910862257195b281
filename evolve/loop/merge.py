"""Two lines become one: what another candidate changed since their common ancestor is made to the tip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evolve.core.records import Candidate, Proposal
from evolve.loop.campaign import Campaign

SHOWN_CHARS = 300


def common_ancestor(candidates: Sequence[Candidate], one: str, other: str) -> str:
    """The commit of the latest candidate that both descend from, each of them included."""
    parents = {candidate.commit: candidate.parent for candidate in candidates}
    line = set(_line(parents, one))
    return next(commit for commit in _line(parents, other) if commit in line)


def _line(parents: dict[str, str | None], commit: str | None) -> Iterator[str]:
    while commit is not None:
        yield commit
        commit = parents[commit]


def proposal(campaign: Campaign, tip: Candidate, other: Candidate) -> Proposal | None:
    """The tip with what `other` changed; None where the two changed the same lines, or nothing would be new."""
    base = common_ancestor(campaign.store.candidates(campaign.run), tip.commit, other.commit)
    edits = campaign.lineage.transplant(tip.commit, base, other.commit)
    if not edits:
        return None
    rows = campaign.store.rounds(campaign.run)
    said = next(row.proposal.hypothesis for row in rows if row.number == other.round and row.proposal)
    what = f"merges round {other.round}: {said}"[:SHOWN_CHARS]
    return Proposal(what, "the gains of both", edits, merges=other.round)
