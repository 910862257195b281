"""The loop: select, analyse, propose, check, measure, decide, record."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evolve import ablate, analyse, calibrate, gate, guard, judging, propose
from evolve.campaign import Campaign, check_budget, measure, now, train_trajectories
from evolve.gate import Standing
from evolve.gate.attempts import first_fresh_attempt
from evolve.records import Candidate, Decision, Proposal, Split, TrialResult, Verdict, stable_hash
from evolve.repo import Author, BadPatch, round_branch
from evolve.store import RoundRow

MEMORY_ROUNDS = 40


def run_rounds(campaign: Campaign, rounds: int) -> None:
    """Rounds 1 to `rounds`, those that are decided already left out; then the champion, fresh and on the holdout.

    Raises BudgetExhausted when the cap is reached, InfraError when the machine fails; both may be gone on from.
    """
    standing = begin(campaign)
    tell_estimate(campaign, rounds)
    for number in range(1, rounds + 1):
        if number not in decided(campaign):
            campaign.watcher.round_started(number, rounds)
            standing = play_round(campaign, standing, number)
    measure_fresh(campaign, standing.champion)
    look_at_holdout(campaign, standing.champion, "champion at the end")


def evaluate_once(campaign: Campaign, commit: str | None, splits: Sequence[Split], attempts: int) -> list[TrialResult]:
    """Round 0 alone: one scaffold (`commit` None: the folder on disk), measured on these splits. -> its trials"""
    row = started_round(campaign, 0, lambda: None)
    chosen = commit or campaign.lineage.seed(campaign.run, row.started_at)
    branch = round_branch(campaign.run, 0)
    campaign.lineage.create_branch(branch, chosen)
    campaign.store.add_candidate(campaign.run, Candidate(chosen, 0, None, branch))
    if Split.HOLDOUT in splits:
        campaign.store.add_holdout_look(campaign.run, chosen, "evaluation asked for by the user", now())
    tasks = campaign.suite.split(*splits)
    measure(campaign, [chosen], [(task.name, attempt) for attempt in range(attempts) for task in tasks])
    decide(campaign, 0, Decision(Verdict.BASELINE, "measured by itself"))
    return campaign.store.trials(campaign.run, chosen)


def play_round(campaign: Campaign, standing: Standing, number: int) -> Standing:
    """One round, or the rest of one that was interrupted: a patch of the tip. -> where the run stands after it"""
    check_budget(campaign)
    row = started_round(campaign, number, lambda: standing.tip)
    standing = judging.made_ready(campaign, standing)
    tip = standing.tip
    proposal = row.proposal or ablation(campaign, number, tip) or proposed(campaign, number, tip)
    refused = guard.refusal(proposal, campaign.text_files(tip.commit), campaign.evolvable(tip.commit))
    candidate = None if refused else committed(campaign, row, tip, proposal)
    if not isinstance(candidate, Candidate):
        decide(campaign, number, Decision(Verdict.REFUSED, refused or str(candidate)))
        return standing
    ruled = judging.judged(campaign, standing, candidate, proposal)
    record(campaign, candidate, ruled)
    return ruled.standing


def begin(campaign: Campaign) -> Standing:
    """Round 0: the seed scaffold, measured on every split; or, in a run begun earlier, its branches put right."""
    if 0 not in decided(campaign):
        row = started_round(campaign, 0, lambda: None)
        commit = campaign.lineage.seed(campaign.run, row.started_at)
        seed = row.candidate or Candidate(commit, 0, None, round_branch(campaign.run, 0))
        if row.candidate is None:
            campaign.store.add_candidate(campaign.run, seed)
        campaign.watcher.say("round 0: measuring the seed scaffold")
        judging.made_ready(campaign, judging.begun(campaign, seed))
        decide(campaign, 0, Decision(Verdict.BASELINE, "the seed scaffold"))
    baseline = campaign.store.candidates(campaign.run)[0]
    look_at_holdout(campaign, baseline, "seed scaffold at the start")
    standing = judging.standing_of(campaign)
    campaign.lineage.set_champion(campaign.run, standing.champion.commit)
    return standing


def tell_estimate(campaign: Campaign, rounds: int) -> None:
    """What the rounds that are left will take, from the seed scaffold's trials; said before the first of them."""
    left = rounds + 1 - len(decided(campaign))
    if left <= 0:
        return
    seed = campaign.store.trials(campaign.run, campaign.store.candidates(campaign.run)[0].commit)
    found = calibrate.estimate(campaign.task_slots, seed, campaign.config.gate, left, campaign.evaluator.jobs)
    usd = f", ${found.usd:.2f}" if campaign.config.model_spec.priced else ""
    words = f"{left} rounds: about {found.trials:.0f} trials, {found.hours:.1f} hours{usd}"
    campaign.watcher.say(f"{words}, proposals aside; more as patches help")


def started_round(campaign: Campaign, number: int, parent_of: Callable[[], Candidate | None]) -> RoundRow:
    """The round's row; written before anything else of it happens."""
    rows = {row.number: row for row in campaign.store.rounds(campaign.run)}
    if number not in rows:
        campaign.store.start_round(campaign.run, number, parent_of(), now())
        rows = {row.number: row for row in campaign.store.rounds(campaign.run)}
    return rows[number]


def decided(campaign: Campaign) -> dict[int, tuple[Candidate, Decision]]:
    """The rounds that are over, in order; one without a candidate stands with its parent."""
    rows = campaign.store.rounds(campaign.run)
    over = [(row, row.candidate or row.parent, row.decision) for row in rows]
    return {row.number: (candidate, decision) for row, candidate, decision in over if candidate and decision}


def ablation(campaign: Campaign, number: int, tip: Candidate) -> Proposal | None:
    """In some rounds: the tip without one of its patches; a row before it is used."""
    if not ablate.due(number, campaign.config.gate):
        return None
    proposal = ablate.proposal(campaign, tip)
    if proposal is not None:
        campaign.store.add_proposal(campaign.run, number, proposal, "", "", now())
    return proposal


def proposed(campaign: Campaign, number: int, parent: Candidate) -> Proposal:
    """What the model proposes, from the parent's train trajectories; a row before it is used."""
    seen = train_trajectories(campaign, parent.commit)
    brief = propose.Brief(
        files=campaign.text_files(parent.commit),
        evolvable=campaign.evolvable(parent.commit),
        digest=analyse.digest(seen, campaign.config.limits.calls),
        memory=memory(campaign.store.rounds(campaign.run)),
    )
    spec = campaign.config.model_spec
    proposal = propose.direct(campaign.model, spec, brief, stable_hash(campaign.config.seed, "propose", number))
    campaign.store.add_proposal(campaign.run, number, proposal, propose.prompt_digest(), spec.name, now())
    return proposal


def memory(rows: Sequence[RoundRow]) -> list[str]:
    """One line for each earlier round that is over."""
    past = [row for row in rows if row.number and row.decision and row.proposal][-MEMORY_ROUNDS:]
    return [
        f"round {row.number} {row.decision.verdict}: {row.proposal.hypothesis} ({row.decision.reason})"
        for row in past
        if row.decision and row.proposal
    ]


def committed(campaign: Campaign, row: RoundRow, parent: Candidate, proposal: Proposal) -> Candidate | BadPatch:
    """The candidate on its branch; or why there can be none. A function of the rows: a second time gives the same."""
    author = Author(campaign.config.model, "model@evolve.invalid")
    try:
        commit = campaign.lineage.commit_candidate(
            campaign.run,
            row.number,
            parent.commit,
            proposal.edits,
            proposal.hypothesis,
            author,
            row.started_at,
        )
    except BadPatch as problem:
        return problem
    candidate = Candidate(commit, row.number, parent.commit, round_branch(campaign.run, row.number))
    campaign.lineage.create_branch(candidate.branch, commit)
    if row.candidate is None:
        campaign.store.add_candidate(campaign.run, candidate)
    return candidate


def record(campaign: Campaign, candidate: Candidate, ruled: gate.Ruled) -> None:
    """The decision in the database, then in git."""
    decision, run = ruled.decision, campaign.run
    decide(campaign, candidate.round, decision)
    campaign.lineage.record_decision(run, candidate.round, candidate.commit, decision.verdict, decision.reason, now())
    if decision.crowns:
        campaign.lineage.set_champion(run, ruled.standing.champion.commit)


def decide(campaign: Campaign, number: int, decision: Decision) -> None:
    campaign.store.add_decision(campaign.run, number, decision, now())
    campaign.watcher.round_decided(number, decision)


def measure_fresh(campaign: Campaign, champion: Candidate) -> None:
    """The trials of a champion's reported score: on attempts by which nothing is decided."""
    first = first_fresh_attempt(champion)
    attempts = range(first, first + campaign.config.score_attempts)
    measure(campaign, [champion.commit], [(task.name, attempt) for attempt in attempts for task in campaign.task_slots])


def look_at_holdout(campaign: Campaign, candidate: Candidate, why: str) -> None:
    """Measure on the holdout, on attempts that all candidates share; each look is a row before it happens."""
    tasks = campaign.suite.split(Split.HOLDOUT)
    slots = [(task.name, attempt) for attempt in range(campaign.config.holdout_attempts) for task in tasks]
    looks = campaign.store.holdout_looks(campaign.run)
    if slots and not any(look.commit == candidate.commit and look.why == why for look in looks):
        campaign.store.add_holdout_look(campaign.run, candidate.commit, why, now())
    if slots:
        campaign.watcher.say(f"holdout: {why}")
        measure(campaign, [candidate.commit], slots)
