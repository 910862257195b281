"""What a run is for besides the mean reward: cheaper at no loss, bounds on cost and time, tasks that may not get worse.

Pure decisions around the rule's own: the rule sees values in place of rewards where cost is the objective, and a patch
that it would build upon is not, if it breaks a bound or may be worse than it is allowed to be.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import fmean, pvariance
from typing import NamedTuple

from evolve.core.config import Objective
from evolve.core.records import TrialResult, stable_hash
from evolve.core.scores import least_error
from evolve.gate.voids import Slot, slot_of

# Quantiles of the normal distribution are taken by bisection: `scipy.stats` takes half a second to import.
STEPS = 60
# A trial's value falls from 1 to 0 while its cost rises by this many doublings up to the trial's limit.
DOUBLINGS = 10.0
LEAST_COST = 1e-9
# Tasks on which it is found out whether a patch may be worse, so that this costs no more on a large suite.
MOST_DRAWN = 48


class Spent(NamedTuple):
    """The mean cost and the mean seconds of a trial at a task."""

    cost: float
    seconds: float


class Answer(StrEnum):
    """Whether a scaffold is not worse by more than a margin, as far as its trials tell."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Aims:
    """What a run is for.

    Attributes:
        objective: COST: a patch is kept if it is cheaper, and not worse by `margin` of the mean reward.
        max_cost_ratio: The most that a kept patch may cost, in costs of the seed; None: any. So is `max_seconds_ratio`.
        protected: Names of the tasks that may not get worse, by `protect_margin` of their mean reward.
        error: The probability with which a patch that is worse by the margin is kept all the same.
        cost_limit: Of one trial, in dollars if `in_usd`, else in tokens.
    """

    objective: Objective = "score"
    margin: float = 0.05
    max_cost_ratio: float | None = None
    max_seconds_ratio: float | None = None
    protected: frozenset[str] = frozenset()
    protect_margin: float = 0.1
    error: float = 0.05
    in_usd: bool = False
    cost_limit: float = 400_000.0
    seed: Mapping[str, Spent] = field(default_factory=dict)

    @property
    def bounds(self) -> bool:
        """Whether costs or times are compared with the seed's."""
        return self.max_cost_ratio is not None or self.max_seconds_ratio is not None

    def cost(self, trial: TrialResult) -> float:
        """What a trial cost, in dollars or tokens."""
        return trial.usage.cost_usd if self.in_usd else float(trial.usage.tokens)

    def valued(self, trials: Iterable[TrialResult]) -> list[TrialResult]:
        """The trials as the rule sees them: with thrift in place of rewards, if cost is the objective."""
        if self.objective == "score":
            return list(trials)
        return [replace(trial, reward=self._thrift(trial)) if trial.counts else trial for trial in trials]

    def _thrift(self, trial: TrialResult) -> float:
        """1 for a trial that costs next to nothing, 0 at its limit; half the cost is worth a tenth at any level."""
        doublings = math.log2(self.cost_limit / max(self.cost(trial), LEAST_COST))
        return min(max(doublings / DOUBLINGS, 0.0), 1.0)

    def with_seed(self, trials: Iterable[TrialResult], slots: Collection[Slot]) -> Aims:
        """With the means of the seed's trials on these slots, with which later costs are compared."""
        by_task: dict[str, list[TrialResult]] = {}
        for trial in trials:
            if trial.counts and slot_of(trial) in slots:
                by_task.setdefault(trial.task, []).append(trial)
        spent = {
            task: Spent(fmean(map(self.cost, found)), fmean(trial.seconds for trial in found))
            for task, found in by_task.items()
        }
        return replace(self, seed=spent)


def broken_bound(aims: Aims, trials: Iterable[TrialResult]) -> str:
    """Why a scaffold with these trials costs or lasts too much, beside the seed on the same tasks; "" if not.

    Where fewer than half of the trials are at tasks at which the seed is known, the seed's mean stands for the others.
    """
    counted = [trial for trial in trials if trial.counts and aims.seed]
    shared = [trial for trial in counted if trial.task in aims.seed]
    if 2 * len(shared) < len(counted):
        shared = counted
    before = [aims.seed.get(trial.task, _mean(aims.seed)) for trial in shared]
    sums = (
        ("costs", sum(map(aims.cost, shared)), sum(spent.cost for spent in before), aims.max_cost_ratio),
        ("takes", sum(trial.seconds for trial in shared), sum(s.seconds for s in before), aims.max_seconds_ratio),
    )
    for verb, new, old, most in sums:
        if most is not None and old > 0 and new > most * old:
            time = " time" if verb == "takes" else ""
            return f"{verb} {new / old:.2f} times the seed's{time}, at most {most:g} are allowed"
    return ""


def _mean(seed: Mapping[str, Spent]) -> Spent:
    return Spent(fmean(spent.cost for spent in seed.values()), fmean(spent.seconds for spent in seed.values()))


def not_worse(differences: Sequence[float], margin: float, error: float) -> Answer:
    """Whether a mean difference of rewards is above -margin, with at most this probability of error in a YES or NO.

    The standard error is at least that of `least_error`, so that a few pairs that are all alike are no certainty.
    """
    if not differences:
        return Answer.UNCLEAR
    count, size = len(differences), max(map(abs, differences)) or 1.0
    mean = fmean(differences)
    least = least_error(sum(differences), sum(d * d for d in differences), count, -size, size)
    half = quantile(1 - error) * max(math.sqrt(pvariance(differences) / max(count - 1, 1)), least)
    if mean - half > -margin:
        return Answer.YES
    return Answer.NO if mean + half < -margin else Answer.UNCLEAR


def quantile(share: float) -> float:
    """The quantile of the standard normal distribution."""
    low, high = -10.0, 10.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if 0.5 * math.erfc(-middle / math.sqrt(2)) < share else (low, middle)
    return (low + high) / 2


def looks(passes: int) -> list[int]:
    """After how many passes over its tasks it is asked whether a patch may be worse; 0: with what the rule asked for.

    Each time has its share of the error.
    """
    found = [0]
    while found[-1] < passes:
        found.append(min(max(2 * found[-1], 2), passes))
    return found


class Concern(NamedTuple):
    """What a patch must not be worse on: these tasks, by this margin. `why`: what is said if it may be.

    `drawn`: those of the tasks that are run more often while it is unclear, MOST_DRAWN at most.
    """

    tasks: frozenset[str]
    margin: float
    why: str
    drawn: frozenset[str]


def concerns(aims: Aims, tasks: Iterable[str], salt: str) -> list[Concern]:
    """What a patch must not be worse on.

    Args:
        tasks: All by which is decided.
        salt: Of the patch, by which tasks are drawn from large suites.
    """
    names = frozenset(tasks)
    found = []
    if aims.objective == "cost":
        why = f"not shown to be within {100 * aims.margin:g} points of the tip"
        found.append(Concern(names, aims.margin, why, _drawn(names, salt)))
    if protected := aims.protected & names:
        why = f"not shown to keep protected tasks within {100 * aims.protect_margin:g} points"
        found.append(Concern(protected, aims.protect_margin, why, _drawn(protected, salt)))
    return found


def _drawn(names: Iterable[str], salt: str) -> frozenset[str]:
    return frozenset(sorted(names, key=lambda name: stable_hash("drawn", salt, name))[:MOST_DRAWN])


def answer_of(
    concern: Concern, new: Mapping[Slot, TrialResult], tip: Mapping[Slot, TrialResult], error: float
) -> Answer:
    """Whether a patch is not worse than the tip on what concerns it, from the slots that both have."""
    shared = sorted(slot for slot in new.keys() & tip.keys() if slot[0] in concern.tasks)
    rewards = [(new[slot].reward, tip[slot].reward) for slot in shared]
    pairs = [after - before for after, before in rewards if after is not None and before is not None]
    return not_worse(pairs, concern.margin, error)
