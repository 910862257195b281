"""The loop: propose, check, measure, decide, record."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.clock import now
from evolve.core.records import Candidate, Decision, Proposal, Split, TrialResult, Verdict
from evolve.gate import Standing, calibrate
from evolve.gate.attempts import first_fresh_attempt
from evolve.host import disk
from evolve.loop import checks, judging, proposing, recall
from evolve.loop.campaign import Campaign, measure
from evolve.repo import BadPatch, round_branch
from evolve.store import RoundRow


def run_rounds(campaign: Campaign, rounds: int) -> None:
    """Rounds 1 to `rounds`, those that are decided already left out; then the champion, fresh and on the holdout.

    Raises BudgetExhausted when a cap is reached, InfraError when the machine fails; both may be gone on from.
    """
    with disk.convert_os_errors(campaign.folder):
        standing = begin(campaign)
        tell_estimate(campaign, rounds)
        while numbers := next_race(campaign, rounds):
            campaign.watcher.round_started(numbers[0], rounds)
            standing = play_race(campaign, standing, numbers)
        recall.learn(campaign)
        measure_fresh(campaign, standing.champion)
        look_at_holdout(campaign, standing.champion, "champion at the end")


def evaluate_once(campaign: Campaign, commit: str | None, splits: Sequence[Split], attempts: int) -> list[TrialResult]:
    """Round 0 alone: one scaffold (`commit` None: the folder on disk), measured on these splits. -> its trials"""
    row = baseline_row(campaign)
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


def next_race(campaign: Campaign, rounds: int) -> list[int]:
    """The rounds that are played next: one, or those that are raced; the rest of a race counts as all of it."""
    rows = {row.number: row for row in campaign.store.rounds(campaign.run)}
    first = next((n for n in range(1, rounds + 1) if n not in rows or rows[n].decision is None), None)
    if first is None:
        return []
    if first in rows:
        return [row.number for row in rows.values() if row.race == rows[first].race]
    return list(range(first, min(first + campaign.config.gate.race, rounds + 1)))


def play_race(campaign: Campaign, standing: Standing, numbers: Sequence[int]) -> Standing:
    """Some rounds, or the rest of them: patches of one tip. -> where the run stands after them"""
    campaign.check()
    rows = started_race(campaign, numbers, standing.tip)
    standing = judging.measure_tip(campaign, standing)
    found = proposing.proposals(campaign, standing, rows)
    told_apart = zip(rows, recall.mark_duplicates(campaign, standing.tip, found), strict=True)
    entrants = [entrant for row, proposal in told_apart if (entrant := admit(campaign, standing.tip, row, proposal))]
    ruled = judging.judge_challengers(campaign, standing, entrants)
    for (candidate, _), decision in zip(entrants, ruled.decisions, strict=True):
        record(campaign, candidate, decision)
    if any(decision.crowns for decision in ruled.decisions):
        campaign.lineage.set_champion(campaign.run, ruled.standing.champion.commit)
    return ruled.standing


def admit(campaign: Campaign, tip: Candidate, row: RoundRow, proposal: Proposal) -> judging.Patch | None:
    """The patch as a candidate; None if it is refused, which is decided then."""
    refused = checks.refusal(campaign, tip, proposal)
    candidate = None if refused else committed(campaign, row, tip, proposal)
    if isinstance(candidate, Candidate):
        return candidate, proposal
    decide(campaign, row.number, Decision(Verdict.REFUSED, refused or str(candidate)))
    return None


def begin(campaign: Campaign) -> Standing:
    """Round 0: the seed scaffold, measured on every split; or, in a run begun earlier, its branches put right."""
    if 0 not in decided(campaign):
        row = baseline_row(campaign)
        commit = campaign.lineage.seed(campaign.run, row.started_at)
        seed = row.candidate or Candidate(commit, 0, None, round_branch(campaign.run, 0))
        if row.candidate is None:
            campaign.store.add_candidate(campaign.run, seed)
        campaign.watcher.say("round 0: measuring the seed scaffold")
        judging.measure_tip(campaign, judging.initial_standing(campaign, seed))
        decide(campaign, 0, Decision(Verdict.BASELINE, "the seed scaffold"))
    baseline = campaign.store.candidates(campaign.run)[0]
    look_at_holdout(campaign, baseline, "seed scaffold at the start")
    standing = judging.standing_of(campaign)
    campaign.lineage.set_champion(campaign.run, standing.champion.commit)
    note_latest(campaign)
    return standing


def note_latest(campaign: Campaign) -> None:
    """Tell git once more what was decided last: a run that was killed between the two has told the database alone."""
    over = [row for row in campaign.store.rounds(campaign.run) if row.number and row.decision]
    for row in over:
        if row.candidate and row.decision and row.race == over[-1].race:
            note(campaign, row.candidate, row.decision)


def tell_estimate(campaign: Campaign, rounds: int) -> None:
    """What the rounds that are left will take, from the seed scaffold's trials; said before the first of them."""
    left = rounds + 1 - len(decided(campaign))
    if left <= 0:
        return
    seed = campaign.store.trials(campaign.run, campaign.store.candidates(campaign.run)[0].commit)
    found = calibrate.estimate(campaign.task_slots, seed, campaign.config.gate, left, campaign.evaluator.jobs)
    usd = f", ${found.usd:.2f}" if campaign.config.priced else ""
    words = f"{left} rounds: about {found.trials:.0f} trials, {found.time}{usd}"
    campaign.watcher.say(f"{words}, proposals aside; more as patches help")


def baseline_row(campaign: Campaign) -> RoundRow:
    """Of round 0; written before anything else of it happens."""
    if not campaign.store.rounds(campaign.run):
        campaign.store.start_race(campaign.run, [0], None, now())
    return campaign.store.rounds(campaign.run)[0]


def started_race(campaign: Campaign, numbers: Sequence[int], tip: Candidate) -> list[RoundRow]:
    """The rounds' rows; written before anything else of them happens."""
    if all(row.number != numbers[0] for row in campaign.store.rounds(campaign.run)):
        campaign.store.start_race(campaign.run, numbers, tip, now())
    return [row for row in campaign.store.rounds(campaign.run) if row.number in numbers]


def decided(campaign: Campaign) -> dict[int, tuple[Candidate, Decision]]:
    """The rounds that are over, in order; one without a candidate stands with its parent."""
    rows = campaign.store.rounds(campaign.run)
    over = [(row, row.candidate or row.parent, row.decision) for row in rows]
    return {row.number: (candidate, decision) for row, candidate, decision in over if candidate and decision}


def committed(campaign: Campaign, row: RoundRow, parent: Candidate, proposal: Proposal) -> Candidate | BadPatch:
    """The candidate on its branch; or why there can be none. A function of the rows: a second time gives the same."""
    commit = checks.committed(campaign, row, parent, proposal)
    if isinstance(commit, BadPatch):
        return commit
    candidate = Candidate(commit, row.number, parent.commit, round_branch(campaign.run, row.number))
    campaign.lineage.create_branch(candidate.branch, commit)
    if row.candidate is None:
        campaign.store.add_candidate(campaign.run, candidate)
    return candidate


def record(campaign: Campaign, candidate: Candidate, decision: Decision) -> None:
    """The decision in the database, then in git."""
    decide(campaign, candidate.round, decision)
    note(campaign, candidate, decision)


def note(campaign: Campaign, candidate: Candidate, decision: Decision) -> None:
    """The decision in git; nothing is done where it is there."""
    verdict, reason = decision.verdict, decision.reason
    campaign.lineage.record_decision(campaign.run, candidate.round, candidate.commit, verdict, reason, now())


def decide(campaign: Campaign, number: int, decision: Decision) -> None:
    """A row, unless it is there: a race that was cut off between its decisions has some."""
    if number in decided(campaign):
        return
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
