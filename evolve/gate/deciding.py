"""Learn the tip's level, and decide on candidates that patch it: from their trials, or which are needed next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from evolve.core.attempts import first_attempt_again
from evolve.core.records import TrialResult
from evolve.gate.conditions import under_conditions
from evolve.gate.plan import Part
from evolve.gate.race import Challenger, ChallengerNeeds, RaceResult, race
from evolve.gate.reasons import decision_on
from evolve.gate.recheck import MOST_PASSES
from evolve.gate.ruling import Rule
from evolve.gate.stack_rule import StackRule
from evolve.gate.standing import (
    Entrant,
    Judgement,
    NeedTrials,
    Standing,
    Trials,
    by_slot,
    rewards_of,
    tip_slots,
)
from evolve.gate.voids import Slot


def learn_tip(standing: Standing, tip: Sequence[TrialResult]) -> NeedTrials | Standing:
    """Learn from the tip's trials. `tip`: all of them.

    Returns:
        The standing once its tip is known well enough to be challenged; the trials that are needed until then.
    """
    known = by_slot(standing.aims.valued(tip))
    while standing.rule.tip_needs_trials():
        after = _after_tip_trials(standing, known, _next_tip_parts(standing.rule))
        if isinstance(after, NeedTrials):
            return after
        standing = after
    return _with_seed(standing, tip)


def _with_seed(standing: Standing, tip: Sequence[TrialResult]) -> Standing:
    """The standing that knows what the seed costs, by the trials with which it was first challenged."""
    if standing.aims.seed or not standing.aims.bounds or len(standing.taken) > 1:
        return standing
    return replace(standing, aims=standing.aims.with_seed(tip, tip_slots(standing, tip)))


def judge(standing: Standing, entrants: Sequence[Entrant], tip: Sequence[TrialResult]) -> NeedTrials | Judgement:
    """Decide on candidates that patch the tip; several are raced. `tip`: all trials of the tip.

    Trials that failed by a fault of the machine are left out here.

    Returns:
        The decisions, or the trials that are needed before them.
    """
    known, own = (
        by_slot(standing.aims.valued(tip)),
        [by_slot(standing.aims.valued(entrant.trials)) for entrant in entrants],
    )
    # Only what was asked for is shown, stage by stage: so the same rows give the same decision later on.
    shown, again = _nothing(entrants), _nothing(entrants)
    first_epoch = standing.first
    while True:
        tip_is_vague = standing.first != first_epoch and standing.rule.tip_needs_trials()
        answer = (
            ChallengerNeeds((), None)
            if tip_is_vague
            else race(standing.rule, _field(standing, entrants, known, shown, again))
        )
        if isinstance(answer, RaceResult):
            break
        first = standing.first
        after = _after_needed(standing, entrants, answer, known, own, shown, again)
        if isinstance(after, NeedTrials):
            return after
        if after.first != first:
            shown, again = _nothing(entrants), _nothing(entrants)
        standing = after
    raced = under_conditions(standing, entrants, shown, tip, answer)
    return raced if isinstance(raced, NeedTrials) else _judgement(standing, entrants, raced, shown, tip)


def _nothing(entrants: Sequence[Entrant]) -> list[dict[Slot, TrialResult]]:
    return [{} for _ in entrants]


def _after_needed(
    standing: Standing,
    entrants: Sequence[Entrant],
    needs: ChallengerNeeds,
    tip: Trials,
    own: Sequence[Trials],
    shown: Sequence[dict[Slot, TrialResult]],
    again: Sequence[dict[Slot, TrialResult]],
) -> NeedTrials | Standing:
    """The standing once these trials have been shown, or those of them that are missing."""
    if needs.part is None or needs.of_tip:
        parts = _next_tip_parts(standing.rule) if needs.part is None else (needs.part,)
        return _after_tip_trials(standing, tip, parts)
    asked = entrants[needs.places[0]]
    slots = standing.slots(needs.part, asked.candidate, asked.first(standing))
    if short := [place for place in needs.places if any(slot not in own[place] for slot in slots)]:
        # Not by which trials of the tip there are: a run that ended once has more of them.
        learned = set() if asked.own_attempts else tip_slots(standing, list(tip.values()))
        shared = tuple(slot for slot in slots if slot in learned)
        return NeedTrials(tuple(entrants[place].candidate.commit for place in short), slots, shared)
    for place in needs.places:
        (again if needs.part.again else shown)[place].update({slot: own[place][slot] for slot in slots})
    return standing.with_trials([own[place][slot] for place in needs.places for slot in slots])


def _field(
    standing: Standing, entrants: Sequence[Entrant], tip: Trials, shown: Sequence[Trials], again: Sequence[Trials]
) -> tuple[Challenger, ...]:
    # Not by which trials of the tip there are: later rounds add to them, and the rows must give the same decision.
    asked = tip_slots(standing, list(tip.values()))
    known = {slot: trial for slot, trial in tip.items() if slot in asked}
    return tuple(
        Challenger(
            rewards_of(standing, trials, entrant.first(standing), standing.rule.settings.most_passes),
            _saving(standing, known, trials, entrant.smaller),
            all(_as_before(known, slot, trials[slot]) for slot in trials),
            rewards_of(standing, fresh, first_attempt_again(entrant.candidate), MOST_PASSES),
        )
        for entrant, trials, fresh in zip(entrants, shown, again, strict=True)
    )


def _as_before(tip: Trials, slot: Slot, trial: TrialResult) -> bool:
    """Whether the model answered as much, and the scaffold did as much, to the same reward as the tip on this seed."""
    return slot in tip and _course(tip[slot]) == _course(trial)


def _course(trial: TrialResult) -> tuple[float | None, int, int, int]:
    """Prompts are left out: they hold durations, and what a patch adds to them without effect."""
    return trial.reward, trial.usage.calls, trial.usage.completion_tokens, trial.usage.commands


def _saving(standing: Standing, tip: Trials, shown: Trials, smaller: float | Callable[[], float]) -> float:
    """The share of the tip's cost that the challenger saves on the slots of both; of its size, if costs are alike."""
    both = [slot for slot in shown if slot in tip]
    before, after = (_cost([trials[slot] for slot in both]) for trials in (tip, shown))
    cheaper = 1 - after / before if before else 0.0
    if abs(cheaper) >= standing.rule.settings.tie_saving:
        return cheaper
    return smaller() if callable(smaller) else smaller


def _cost(trials: Sequence[TrialResult]) -> float:
    """US dollars where they are known, else tokens."""
    usd = sum(trial.usage.cost_usd for trial in trials)
    return usd or float(sum(t.usage.prompt_tokens + t.usage.completion_tokens for t in trials))


def _judgement(
    standing: Standing,
    entrants: Sequence[Entrant],
    raced: RaceResult,
    shown: Sequence[Trials],
    tip: Sequence[TrialResult],
) -> Judgement:
    after = standing.after(raced.rulings[raced.winner], entrants[raced.winner].candidate)
    waiting = tuple(entrants[place].candidate for place in raced.waiting)
    decisions = tuple(
        decision_on(standing, ruling, list(trials.values()), tip)
        for ruling, trials in zip(raced.rulings, shown, strict=True)
    )
    return Judgement(decisions, replace(after, waiting=waiting))


def _next_tip_parts(rule: Rule) -> tuple[Part, ...]:
    """The tip's next pass."""
    if isinstance(rule, StackRule):
        return rule.next_tip_parts()
    return (Part(len(rule.own), rule.plan.everything),)


def _after_tip_trials(standing: Standing, known: Trials, parts: Sequence[Part]) -> NeedTrials | Standing:
    """The standing after these trials of the tip; if they begin a new epoch, without them, as it began amid them."""
    slots = [slot for part in parts for slot in standing.slots(part, standing.tip)]
    if missing := tuple(slot for slot in slots if slot not in known):
        return NeedTrials((standing.tip.commit,), missing)
    after = standing.with_trials([known[slot] for slot in slots])
    if after.first != standing.first:
        return after
    standing, passes = after, max(part.attempt for part in parts) + 1
    rewards = rewards_of(standing, {slot: known[slot] for slot in slots}, standing.first, passes)
    rule = standing.rule
    learned = rule.with_tip_trials(rewards) if isinstance(rule, StackRule) else rule.with_tip_pass(rewards[-1])
    return replace(standing, rule=learned)
