"""What the winner of a race must fulfil besides its gain: voided attempts, bounds on cost and time, protected tasks."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.records import Candidate, StackFate, TrialResult
from evolve.gate.aims import Answer, Concern, answer_of, broken_bound, concerns, looks
from evolve.gate.plan import Part
from evolve.gate.prior import EstimatedEffect
from evolve.gate.race import RaceResult
from evolve.gate.ruling import Assessment, Rule, Ruling
from evolve.gate.stack_rule import StackRule
from evolve.gate.standing import Entrant, NeedTrials, Standing, Trials, by_slot, tip_slots
from evolve.gate.voids import veto


def under_conditions(
    standing: Standing,
    entrants: Sequence[Entrant],
    shown: Sequence[Trials],
    tip: Sequence[TrialResult],
    raced: RaceResult,
) -> NeedTrials | RaceResult:
    """The result of a race once its winner is known to fulfil all conditions, or not; or the trials that tell.

    Args:
        shown: The trials on which each entrant was judged.
        tip: All trials of the tip.
    """
    entrant, seen = entrants[raced.winner], shown[raced.winner]
    if not raced.rulings[raced.winner].taken:
        return raced
    # A winner that voids clearly more of its attempts than the tip: which of its trials count was not left to chance.
    risk, asked = standing.rule.settings.voided_risk, tip_slots(standing, tip)
    if risk and (why := veto(entrant.trials, seen, tip, asked, risk)):
        return _dropped(standing, raced, why)
    if entrant.own_attempts:
        return raced
    known, judged = by_slot(tip), by_slot(entrant.trials)
    if why := broken_bound(standing.aims, [judged[slot] for slot in seen]):
        return _dropped(standing, raced, why)
    for concern in concerns(standing.aims, (task.name for task in standing.tasks), entrant.candidate.commit):
        answer = _asked(standing, entrant.candidate, concern, seen, judged, known)
        if isinstance(answer, NeedTrials):
            return answer
        if answer is not Answer.YES:
            return _dropped(standing, raced, concern.why)
    return raced


def _dropped(standing: Standing, raced: RaceResult, why: str) -> RaceResult:
    """The result of a race whose winner is not built upon."""
    dropped = _without(standing.rule, raced.rulings[raced.winner].assessment, why)
    rulings = tuple(dropped if place == raced.winner else ruling for place, ruling in enumerate(raced.rulings))
    return RaceResult(rulings, raced.winner, ())


def _without(rule: Rule, seen: Assessment, why: str) -> Ruling:
    """The ruling on a challenger that is not built upon: the rule stays as it was, and decides about its stack."""
    if isinstance(rule, StackRule):
        return rule.dropping(EstimatedEffect(seen.effect, seen.error), seen.trials, why)
    return Ruling(False, StackFate.OPEN, seen, rule, why)


def _asked(
    standing: Standing, candidate: Candidate, concern: Concern, shown: Trials, judged: Trials, tip: Trials
) -> NeedTrials | Answer:
    """Whether a patch is not worse on what concerns it; more passes of both are asked for while that is unclear."""
    tasks = tuple(index for index, task in enumerate(standing.tasks) if task.name in concern.drawn)
    times, seen = looks(standing.rule.settings.most_passes), dict.fromkeys(shown)
    known = tip_slots(standing, list(tip.values()))
    for passes in times:
        slots = [slot for attempt in range(passes) for slot in standing.slots(Part(attempt, tasks), candidate)]
        if any(slot not in tip or slot not in judged for slot in slots):
            return NeedTrials((standing.tip.commit, candidate.commit), tuple(slots))
        seen |= dict.fromkeys(slots)
        known |= {*slots}
        new, old = {slot: judged[slot] for slot in seen}, {slot: tip[slot] for slot in known}
        answer = answer_of(concern, new, old, standing.aims.error / len(times))
        if answer is not Answer.UNCLEAR:
            return answer
    return Answer.UNCLEAR
