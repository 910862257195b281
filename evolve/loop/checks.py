"""What a proposal goes through before it is measured, the cheapest first; and the commit that it becomes."""

from __future__ import annotations

from evolve import guard
from evolve.core.records import Candidate, Proposal
from evolve.loop import recall, smoke
from evolve.loop.campaign import Campaign
from evolve.repo import Author, BadPatch
from evolve.store import RoundRow


def problem(campaign: Campaign, tip: Candidate, row: RoundRow, proposal: Proposal) -> str | None:
    """Why this patch of the tip can't be measured, in one line; None if it can. Raises InfraError."""
    if refused := refusal(campaign, tip, proposal):
        return refused
    if not proposal.by_loop and (earlier := recall.repeat(campaign, tip, proposal)):
        return earlier
    commit = committed(campaign, row, tip, proposal)
    return str(commit) if isinstance(commit, BadPatch) else smoke.problem(campaign, commit)


def refusal(campaign: Campaign, tip: Candidate, proposal: Proposal) -> str | None:
    """What the guard says of it: a function of the rows."""
    files, evolvable = campaign.text_files(tip.commit), campaign.evolvable(tip.commit)
    return guard.refusal(proposal, files, evolvable, campaign.vocabulary, campaign.config.limits.for_task())


def committed(campaign: Campaign, row: RoundRow, tip: Candidate, proposal: Proposal) -> str | BadPatch:
    """The patched tip as a commit without a branch; a second time gives the same. Or why there can be none."""
    author = Author(campaign.config.proposer_spec.name, "model@evolve.invalid")
    words = proposal.hypothesis
    try:
        return campaign.lineage.commit_candidate(
            campaign.run, row.number, tip.commit, proposal.edits, words, author, row.started_at
        )
    except BadPatch as bad:
        return bad
