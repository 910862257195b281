"""A gain that a challenger's own trials leave implausible is measured again on fresh attempts before it is built upon.

A patch that has memorised tasks, or instances of them, gains on what its proposer saw and on nothing else.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from evolve.gate.distributions import ndtr
from evolve.gate.plan import Part
from evolve.gate.prior import EstimatedEffect, Floats, chance_of
from evolve.gate.ruling import NeedPart, Ruling
from evolve.gate.stack_rule import StackRule

MOST_PASSES = 4
# Standard errors between the claimed gain and none: the fresh trials must tell one from the other.
APART = 4.0
UNCONFIRMED = "a jump that fresh trials did not confirm"


def is_implausible(pooled: EstimatedEffect, train: EstimatedEffect, validation: EstimatedEffect, risk: float) -> bool:
    """Whether train gained so much more than validation that a patch which is as good on both rarely shows it.

    Args:
        pooled: The gain over all tasks; train, validation: over those of one split.
        risk: The probability up to which a gain is implausible.
    """
    gap = train.effect - validation.effect
    return pooled.effect > 0 and float(ndtr(-gap / math.hypot(train.error, validation.error))) < risk


def is_beyond(pooled: EstimatedEffect, prior: Floats, risk: float) -> bool:
    """Whether a patch of this prior (weights of EFFECTS) would rarely show such a gain."""
    return chance_of(pooled, prior) < risk


def passes_needed(claimed: float, spread: float, tasks: int) -> int:
    """How many passes over so many tasks tell the claimed gain from none; `spread`: standard deviation of a trial."""
    return min(max(math.ceil(trials_needed(claimed, spread) / tasks), 1), MOST_PASSES)


def trials_needed(claimed: float, spread: float) -> int:
    """How many trials tell the claimed gain from none."""
    return math.ceil((APART * spread / claimed) ** 2)


def is_confirmed(claimed: float, fresh: float) -> bool:
    """Whether the gain on fresh attempts is nearer to the claimed one than to none."""
    return fresh >= claimed / 2


def confirm(rule: StackRule, ruling: Ruling, new: Floats, fresh: Floats) -> NeedPart | Ruling:
    """Let a challenger that would be built upon show an implausible gain once more.

    What it showed before says nothing of the tip if it is not confirmed, so the rule learns nothing from it.

    Args:
        rule: The rule before the ruling.
        new: The challenger's rewards, passes x tasks, NaN where not run.
        fresh: The same on the attempts that it has for itself.

    Returns:
        The fresh trials that are missing, or the ruling: the given one, or one that drops the challenger.
    """
    claimed = EstimatedEffect(ruling.assessment.effect, ruling.assessment.error)
    if not ruling.taken or not rule.plan.again or not _is_doubtful(rule, claimed, new):
        return ruling
    chosen = rule.plan.again_chosen(trials_needed(claimed.effect, rule.difficulty.spread))
    passes, tasks = passes_needed(claimed.effect, rule.difficulty.spread, len(chosen)), list(chosen)
    for attempt in range(passes):
        if np.isnan(fresh[attempt, tasks]).any():
            return NeedPart(Part(attempt, chosen, again=True))
    fresh_level = _gain(rule, fresh[:passes], tasks)
    gain = EstimatedEffect(fresh_level.effect - rule.level.mean, fresh_level.error)
    if is_confirmed(claimed.effect, gain.effect):
        confirmed = replace(ruling, why=f"{ruling.why}, confirmed by {passes * len(tasks)} fresh trials")
        return rule.with_fresh_gain(confirmed, gain)
    trials = ruling.assessment.trials + passes * len(tasks)
    after = replace(rule, patch_trials=rule.patch_trials + trials).for_next_round()
    return after.dropping(claimed, ruling.assessment.trials, UNCONFIRMED)


def _is_doubtful(rule: StackRule, claimed: EstimatedEffect, new: Floats) -> bool:
    risk, validation = rule.settings.jump, list(rule.plan.validation)
    if is_beyond(claimed, rule.prior.weights, risk):
        return claimed.effect > 0
    if not validation or np.isnan(new[0, validation]).all():
        return False
    train = _gain(rule, new, list(rule.plan.train))
    return is_implausible(claimed, train, _gain(rule, new, validation), risk)


def _gain(rule: StackRule, rewards: Floats, tasks: list[int]) -> EstimatedEffect:
    """The gain over the line's mean rewards on some tasks. Its error allows for tasks that gain unequally."""
    residuals = rewards[:, tasks] - rule.difficulty.easiness[tasks]
    known = ~np.isnan(residuals)
    by_task = np.where(known, residuals, 0.0).sum(axis=0)[known.any(axis=0)] / known.sum(axis=0)[known.any(axis=0)]
    trials = rule.difficulty.spread**2 / known.sum()
    between = float(by_task.var(ddof=1)) / len(by_task) if len(by_task) > 1 else 0.0
    return EstimatedEffect(float(residuals[known].mean()), math.sqrt(max(float(trials), between)))
