"""From time to time a round leaves one kept patch out, so that each shows an effect of its own and dead weight goes."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.config import GateConfig
from evolve.core.records import Candidate, Proposal
from evolve.loop import recall
from evolve.loop.campaign import Campaign
from evolve.store import RoundRow

SHOWN_CHARS = 300


def due(number: int, gate: GateConfig) -> bool:
    """Whether this round is one of those."""
    return gate.rule == "evolve" and gate.ablate_every > 0 and number % gate.ablate_every == 0


def left_out(rows: Sequence[RoundRow], tip: Candidate) -> list[RoundRow]:
    """The patches on the tip's line that were never left out yet, the oldest first; ablations are none themselves."""
    by_commit = {row.candidate.commit: row for row in rows if row.candidate}
    line, commit = [], tip.commit
    while (row := by_commit[commit]).candidate and row.candidate.parent:
        line.append(row)
        commit = row.candidate.parent
    tried = {row.proposal.ablates for row in rows if row.proposal}
    return [row for row in reversed(line) if row.number not in tried and row.proposal and row.proposal.ablates is None]


def proposal(campaign: Campaign, tip: Candidate) -> Proposal | None:
    """The tip without one of its patches; None where there is none that can be left out.

    Those first of which nothing came true that was predicted.
    """
    failed = {facts.round for facts in recall.round_results(campaign) if facts.hits.predicted and not facts.hits.fixed}
    rows = left_out(campaign.store.rounds(campaign.run), tip)
    for row in sorted(rows, key=lambda row: row.number not in failed):
        assert row.candidate and row.candidate.parent and row.proposal
        edits = campaign.lineage.transplant(tip.commit, row.candidate.commit, row.candidate.parent)
        if edits:
            what = f"without the patch of round {row.number}: {row.proposal.hypothesis}"[:SHOWN_CHARS]
            return Proposal(what, "as good or better; its effect is the opposite", edits, ablates=row.number)
    return None
