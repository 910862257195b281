"""The gate at work: it says which trials it needs, they are run, until it has decided; and the same from the rows."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeVar

from evolve import gate
from evolve.campaign import Campaign, measure
from evolve.errors import BadInput
from evolve.gate import MoreTrials, Ruled, Standing
from evolve.records import Candidate, Proposal, TrialResult, Verdict

Found = TypeVar("Found")


def begun(campaign: Campaign, seed: Candidate) -> Standing:
    """The standing of a run whose seed scaffold was not measured yet."""
    return gate.begin(campaign.task_slots, campaign.config.gate, seed, campaign.config.seed)


def made_ready(campaign: Campaign, standing: Standing) -> Standing:
    """The standing once its tip is known well enough, from trials that are run for it here."""
    while isinstance(said := gate.ready(standing, _trials(campaign, standing.tip)), MoreTrials):
        measure(campaign, [said.commit], said.slots)
    return said


def judged(campaign: Campaign, standing: Standing, candidate: Candidate, proposal: Proposal) -> Ruled:
    """The decision on a patch of the tip, from trials that are run for it here."""
    smaller = _smaller(campaign, standing.tip.commit, candidate.commit, proposal)
    while isinstance(said := _said(campaign, standing, candidate, smaller), MoreTrials):
        measure(campaign, [said.commit], said.slots)
    return said


def _said(campaign: Campaign, standing: Standing, candidate: Candidate, smaller: float) -> MoreTrials | Ruled:
    tip, trials = (_trials(campaign, one) for one in (standing.tip, candidate))
    return gate.judge(standing, candidate, tip, trials, smaller)


def standing_of(campaign: Campaign) -> Standing:
    """Where a run stands after the rounds that are decided: a function of its rows, so that it need not be stored.

    Raises BadInput if the rows tell of other decisions than this version's rule takes.
    """
    rows = campaign.store.rounds(campaign.run)
    trials: dict[str, list[TrialResult]] = defaultdict(list)
    for trial in campaign.store.trials(campaign.run):
        trials[trial.candidate].append(trial)
    seed = rows[0].candidate
    assert seed is not None
    standing = begun(campaign, seed)
    for row in rows[1:]:
        if row.decision is None:
            break
        standing = _known(campaign, gate.ready(standing, trials[standing.tip.commit]))
        if row.candidate and row.proposal and row.decision.verdict is not Verdict.REFUSED:
            smaller = _smaller(campaign, standing.tip.commit, row.candidate.commit, row.proposal)
            pair = trials[standing.tip.commit], trials[row.candidate.commit]
            ruled = _known(campaign, gate.judge(standing, row.candidate, *pair, smaller))
            if (ruled.decision.verdict, ruled.decision.fate) != (row.decision.verdict, row.decision.fate):
                raise _other_rule(campaign)
            standing = ruled.standing
    return standing


def _known(campaign: Campaign, said: MoreTrials | Found) -> Found:
    if isinstance(said, MoreTrials):
        raise _other_rule(campaign)
    return said


def _other_rule(campaign: Campaign) -> BadInput:
    return BadInput(
        f"run {campaign.run}", "its decisions are not those of this version's gate", "begin a new run with RUN=new"
    )


def _trials(campaign: Campaign, candidate: Candidate) -> list[TrialResult]:
    return campaign.store.trials(campaign.run, candidate.commit)


def _smaller(campaign: Campaign, old: str, new: str, proposal: Proposal) -> float:
    """The share of the scaffold's text that is gone. A patch that is left out at no loss goes, whatever its size."""
    if proposal.ablates is not None:
        return 1.0
    before, after = (sum(map(len, campaign.text_files(commit).values())) for commit in (old, new))
    return 1 - after / before if before else 0.0
