"""The gate at work: it says which trials it needs, they are run, until it has decided; and the same from the rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TypeVar

from evolve import gate
from evolve.core.errors import BadInput
from evolve.core.records import Candidate, Proposal, TrialResult, Verdict
from evolve.gate import Entrant, NeedTrials, Ruled, Standing
from evolve.loop.campaign import Campaign, measure
from evolve.store import RoundRow

Found = TypeVar("Found")
Patch = tuple[Candidate, Proposal]
TrialsOf = Callable[[str], Sequence[TrialResult]]


def initial_standing(campaign: Campaign, seed: Candidate) -> Standing:
    """The standing of a run whose seed scaffold was not measured yet."""
    return gate.begin(campaign.task_slots, campaign.config.gate, seed, campaign.config.seed)


def measure_tip(campaign: Campaign, standing: Standing) -> Standing:
    """The standing once its tip is known well enough, from trials that are run for it here."""
    while isinstance(said := gate.ready(standing, _stored(campaign)(standing.tip.commit)), NeedTrials):
        measure(campaign, said.commits, said.slots)
    return said


def judge_challengers(campaign: Campaign, standing: Standing, patches: Sequence[Patch]) -> Ruled:
    """The decisions on patches of the tip, from trials that are run for it here."""
    while isinstance(said := _said(campaign, standing, patches, _stored(campaign)), NeedTrials):
        measure(campaign, said.commits, said.slots)
    return said


def _said(campaign: Campaign, standing: Standing, patches: Sequence[Patch], trials: TrialsOf) -> NeedTrials | Ruled:
    if not patches:
        return Ruled((), replace(standing, waiting=()))
    entrants = [
        Entrant(
            candidate, trials(candidate.commit), _smaller(campaign, standing.tip.commit, candidate.commit, proposal)
        )
        for candidate, proposal in patches
    ]
    return gate.judge(standing, entrants, trials(standing.tip.commit))


def standing_of(campaign: Campaign) -> Standing:
    """Where a run stands after the rounds that are decided: a function of its rows, so that it need not be stored.

    A race of which one round is not decided is left out whole. Raises BadInput if the rows tell of other decisions than
    this version's rule takes.
    """
    rows = campaign.store.rounds(campaign.run)
    trials: dict[str, list[TrialResult]] = defaultdict(list)
    for trial in campaign.store.trials(campaign.run):
        trials[trial.candidate].append(trial)
    seed = rows[0].candidate
    assert seed is not None
    standing = initial_standing(campaign, seed)
    for _, race in groupby(rows[1:], lambda row: row.race):
        entered = list(race)
        if any(row.decision is None for row in entered):
            break
        standing = _known(campaign, gate.ready(standing, trials[standing.tip.commit]))
        standing = _after(campaign, standing, entered, trials.__getitem__)
    return standing


def _after(campaign: Campaign, standing: Standing, race: Iterable[RoundRow], trials: TrialsOf) -> Standing:
    """The standing after a race that is decided."""
    entered = [row for row in race if row.decision and row.decision.verdict is not Verdict.REFUSED]
    patches = [(row.candidate, row.proposal) for row in entered if row.candidate and row.proposal]
    ruled = _known(campaign, _said(campaign, standing, patches, trials))
    taken = [(decision.verdict, decision.fate) for decision in ruled.decisions]
    if taken != [(row.decision.verdict, row.decision.fate) for row in entered if row.decision]:
        raise _other_rule(campaign)
    return ruled.standing


def _known(campaign: Campaign, said: NeedTrials | Found) -> Found:
    if isinstance(said, NeedTrials):
        raise _other_rule(campaign)
    return said


def _other_rule(campaign: Campaign) -> BadInput:
    return BadInput(
        f"run {campaign.run}", "its decisions are not those of this version's gate", "begin a new run with RUN=new"
    )


def _stored(campaign: Campaign) -> TrialsOf:
    return lambda commit: campaign.store.trials(campaign.run, commit)


def _smaller(campaign: Campaign, old: str, new: str, proposal: Proposal) -> float:
    """The share of the scaffold's text that is gone. A patch that is left out at no loss goes, whatever its size."""
    if proposal.ablates is not None:
        return 1.0
    before, after = (sum(map(len, campaign.text_files(commit).values())) for commit in (old, new))
    return 1 - after / before if before else 0.0
