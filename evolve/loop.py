"""The loop: select, analyse, propose, check, measure, decide, record."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evolve import analyse, gate, guard, propose, select
from evolve.campaign import Campaign, check_budget, measure, now, train_trajectories
from evolve.records import Candidate, Decision, Proposal, Split, TrialResult, Verdict, stable_hash
from evolve.repo import Author, BadPatch, round_branch
from evolve.store import RoundRow

MEMORY_ROUNDS = 40


def run_rounds(campaign: Campaign, rounds: int) -> None:
    """Rounds 1 to `rounds`, those that are decided already left out; then the champion, fresh and on the holdout.

    Raises BudgetExhausted when the cap is reached, InfraError when the machine fails; both may be gone on from.
    """
    begin(campaign)
    for number in range(1, rounds + 1):
        if number not in decided(campaign):
            campaign.watcher.round_started(number, rounds)
            play_round(campaign, number)
    champion = campaign.store.champion(campaign.run)
    measure(campaign, [champion.commit], reign_slots(campaign, champion))
    look_at_holdout(campaign, champion, "champion at the end")


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


def play_round(campaign: Campaign, number: int) -> None:
    """One round, or the rest of one that was interrupted."""
    check_budget(campaign)
    row = started_round(campaign, number, lambda: select.champion(list(decided(campaign).values())))
    parent = row.parent
    assert parent is not None
    measure(campaign, [parent.commit], reign_slots(campaign, parent))
    proposal = row.proposal or proposed(campaign, number, parent)
    refused = guard.refusal(proposal, campaign.text_files(parent.commit), campaign.evolvable(parent.commit))
    candidate = None if refused else committed(campaign, row, parent, proposal)
    if isinstance(candidate, Candidate):
        decision = measured(campaign, parent, candidate)
        record(campaign, candidate, decision)
    else:
        decide(campaign, number, Decision(Verdict.REFUSED, refused or str(candidate)))


def begin(campaign: Campaign) -> None:
    """Round 0: the seed scaffold, measured on every split; or, in a run begun earlier, its branches put right."""
    if 0 not in decided(campaign):
        row = started_round(campaign, 0, lambda: None)
        commit = campaign.lineage.seed(campaign.run, row.started_at)
        seed = row.candidate or Candidate(commit, 0, None, round_branch(campaign.run, 0))
        if row.candidate is None:
            campaign.store.add_candidate(campaign.run, seed)
        campaign.watcher.say("round 0: measuring the seed scaffold")
        measure(campaign, [seed.commit], reign_slots(campaign, seed))
        decide(campaign, 0, Decision(Verdict.BASELINE, "the seed scaffold"))
    baseline = campaign.store.candidates(campaign.run)[0]
    look_at_holdout(campaign, baseline, "seed scaffold at the start")
    campaign.lineage.set_champion(campaign.run, campaign.store.champion(campaign.run).commit)


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


def proposed(campaign: Campaign, number: int, parent: Candidate) -> Proposal:
    """What the model proposes, from the parent's train trajectories; a row before it is used."""
    seen = train_trajectories(campaign, parent.commit, select.first_attempt(parent))
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


def measured(campaign: Campaign, parent: Candidate, candidate: Candidate) -> Decision:
    """Trials as the gate asks for them, until it decides."""
    first = select.first_attempt(parent)
    while True:
        known = [campaign.store.trials(campaign.run, c.commit) for c in (parent, candidate)]
        answer = gate.judge(campaign.task_slots, known[0], known[1], campaign.config.gate, first)
        if isinstance(answer, Decision):
            return answer
        measure(campaign, [parent.commit, candidate.commit], answer.slots)


def record(campaign: Campaign, candidate: Candidate, decision: Decision) -> None:
    """The decision in the database, then in git; a new champion is measured again at the next round's start."""
    decide(campaign, candidate.round, decision)
    campaign.lineage.record_decision(
        campaign.run, candidate.round, candidate.commit, decision.verdict, decision.reason, now()
    )
    if decision.verdict is Verdict.KEEP:
        campaign.lineage.set_champion(campaign.run, candidate.commit)


def decide(campaign: Campaign, number: int, decision: Decision) -> None:
    campaign.store.add_decision(campaign.run, number, decision, now())
    campaign.watcher.round_decided(number, decision)


def reign_slots(campaign: Campaign, champion: Candidate) -> list[gate.Slot]:
    """The fresh trials of a champion: every train and validation task once, on attempts that it never had."""
    return [(task.name, select.first_attempt(champion)) for task in campaign.task_slots]


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
