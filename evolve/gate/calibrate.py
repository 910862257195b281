"""What a suite can show, before any rounds: the scaffold against itself (A/A). Pure.

Luck is assumed to be independent between scaffolds. If a model respects seeds, equal behaviour has equal luck, and
the suite can show more than is computed here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from evolve.core.gate_config import GateConfig
from evolve.core.records import Candidate, TrialResult
from evolve.gate import TaskSlot, begin_rule, initial_standing
from evolve.gate.plan import PASS_TRIALS, Part
from evolve.gate.prior import Floats
from evolve.gate.ruling import NeedPart, Rule, RuleMaker
from evolve.gate.stack_rule import StackRule

POWER = 0.8
CALIBRATION_STREAM = 11
DETECTION_PATCHES = 40
FEW_CANDIDATES = 40
GAINS = (0.02, 0.04, 0.06, 0.08, 0.10, 0.15, 0.20, 0.30, 0.40)
Rates = Mapping[str, float]
# Below this share of the most variance that their means allow, rewards are taken as constant.
LEAST_SCATTER = 1e-6


@dataclass(frozen=True)
class Noise:
    """The noise of one scaffold's score, from several attempts at each task. Rewards are in [0, 1].

    `rates`: mean reward by task. `one_pass`: standard deviation of the score of one attempt at all tasks, from the
    spread within tasks; `difference`: of two such scores of the same scaffold. `seen`: the same, measured over
    `pairs` pairs of passes that were run; None with a single pass. `scatter`: see `scatter_of`.
    """

    rates: Rates
    attempts: int
    one_pass: float
    seen: float | None
    pairs: int
    scatter: float = 1.0

    @property
    def difference(self) -> float:
        return math.sqrt(2) * self.one_pass

    @property
    def score(self) -> float:
        return sum(self.rates.values()) / len(self.rates)

    @property
    def always(self) -> list[str]:
        return sorted(task for task, rate in self.rates.items() if rate >= 1)

    @property
    def never(self) -> list[str]:
        return sorted(task for task, rate in self.rates.items() if rate <= 0)


@dataclass(frozen=True)
class Power:
    """What the gate would decide on the first patches of this scaffold, by simulation.

    `null`: the share of patches without effect that is built upon, which is not a keep yet. `smallest`: the smallest
    gain of GAINS in the mean reward that is built upon four times in five; None if none is. `trials`: until a patch
    without effect is decided, with the tip's.
    """

    null: float
    smallest: float | None
    trials: float


@dataclass(frozen=True)
class Cost:
    """The cost of rounds whose patches have no effect, without proposals: trials, hours of the clock, US dollars."""

    trials: float
    hours: float
    usd: float

    @property
    def time(self) -> str:
        """The time as text; minutes below an hour."""
        return f"{self.hours:.1f} hours" if self.hours >= 1 else f"{max(60 * self.hours, 1):.0f} min"


def cost(trials: Sequence[TrialResult], per_round: float, rounds: int, jobs: int) -> Cost:
    """Compute a cost. `trials`: of the scaffold; `per_round`: trials of a round; `jobs`: trials at once."""
    count = per_round * rounds
    seconds = sum(trial.seconds for trial in trials) / len(trials)
    usd = sum(trial.usage.cost_usd for trial in trials) / len(trials)
    return Cost(count, count * seconds / jobs / 3600, count * usd)


def estimate(
    tasks: Sequence[TaskSlot],
    trials: Sequence[TrialResult],
    settings: GateConfig,
    rounds: int,
    jobs: int,
    begin: RuleMaker = begin_rule,
) -> Cost:
    """Estimate the cost of rounds from a scaffold's trials; 40 patches without effect are simulated."""
    names = {task.name for task in tasks}
    known = [trial for trial in trials if trial.counts and trial.task in names]
    rewards = _by_task(known)
    luck = Luck(_rates(rewards), scatter_of(rewards))
    return cost(known, _null_patches(tasks, luck, settings, 40, begin)[1], rounds, jobs)


def smallest_gain(
    tasks: Sequence[TaskSlot], trials: Sequence[TrialResult], settings: GateConfig, begin: RuleMaker = begin_rule
) -> float | None:
    """The smallest of GAINS over a scaffold that its gate would build upon four times in five, by simulation.

    Args:
        tasks: Those of train and validation.
        trials: Of the scaffold.

    Returns:
        None if none is: the largest is missed too often, or the score is too high for it.
    """
    known = [trial for trial in trials if trial.counts and trial.task in {task.name for task in tasks}]
    rewards = _by_task(known)
    measured, luck = [task for task in tasks if task.name in rewards], Luck(_rates(rewards), scatter_of(rewards))

    def is_found(gain: float) -> bool:
        better = _shifted(luck, gain)
        if better is None:
            return True
        return _simulate(measured, luck, better, settings, FEW_CANDIDATES, begin)[0] >= POWER

    # A larger gain is found more often: halving the list needs a third of the simulations.
    low, high = 0, len(GAINS)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_found(GAINS[middle]) else (middle + 1, high)
    return None if low == len(GAINS) or _shifted(luck, GAINS[low]) is None else GAINS[low]


def trial_range(tasks: Sequence[TaskSlot], settings: GateConfig, begin: RuleMaker = begin_rule) -> tuple[float, float]:
    """The trials of one round, of which nothing is known yet: if each patch is harmful, and at most.

    Rates of one half are assumed, at which rewards vary most.
    """
    before, harmful = (Luck({task.name: rate for task in tasks}) for rate in (0.5, 0.1))
    trials = _simulate(tasks, before, harmful, settings, 20, begin)[1]
    size = min(len(tasks), PASS_TRIALS) if settings.rule == "evolve" else len(tasks)
    return trials, settings.most_passes * size * (1 + settings.tip_share)


def _by_task(trials: Sequence[TrialResult]) -> dict[str, dict[int, float]]:
    """Rewards by task and attempt, of trials that count."""
    rewards: dict[str, dict[int, float]] = defaultdict(dict)
    for trial in trials:
        if trial.reward is not None:
            rewards[trial.task][trial.attempt] = trial.reward
    return rewards


def _rates(rewards: Mapping[str, Mapping[int, float]]) -> Rates:
    return {task: sum(by_attempt.values()) / len(by_attempt) for task, by_attempt in rewards.items()}


def detection(tasks: Sequence[TaskSlot], settings: GateConfig, begin: RuleMaker = begin_rule) -> float:
    """How likely the largest gain is built upon: a patch that solves all tasks, of which the seed solves half."""
    half, solved = (Luck({task.name: rate for task in tasks}) for rate in (0.5, 1.0))
    return _simulate(tasks, half, solved, settings, DETECTION_PATCHES, begin)[0]


def complete_passes(trials: Sequence[TrialResult]) -> list[TrialResult]:
    """The trials of those attempts that all tasks have which count at all: what could not be graded leaves no pass."""
    rewards = _by_task(trials)
    shared = set.intersection(*map(set, rewards.values())) if rewards else set()
    return [trial for trial in trials if trial.counts and trial.attempt in shared]


def noise(trials: Sequence[TrialResult]) -> Noise:
    """Compute the noise from the trials of one scaffold that count.

    Raises:
        ValueError: Some task has fewer attempts than another.
    """
    rewards = _by_task(trials)
    attempts = sorted({attempt for by_attempt in rewards.values() for attempt in by_attempt})
    if not attempts or any(len(by_attempt) != len(attempts) for by_attempt in rewards.values()):
        raise ValueError("every task needs the same attempts")
    count = len(rewards)
    within = sum(_variance(list(by_attempt.values())) for by_attempt in rewards.values())
    passes = [sum(by_attempt[attempt] for by_attempt in rewards.values()) / count for attempt in attempts]
    differences = [a - b for a, b in combinations(passes, 2)]
    seen = math.sqrt(sum(d * d for d in differences) / len(differences)) if differences else None
    one_pass = math.sqrt(within) / count
    return Noise(_rates(rewards), len(attempts), one_pass, seen, len(differences), scatter_of(rewards))


def scatter_of(rewards: Mapping[str, Mapping[int, float]]) -> float:
    """The variance of single rewards within tasks, as a share of the most that their means allow, p (1 - p).

    1 for rewards of 0 and 1, 0 if a task's reward never changes; 1 where no task was tried twice.

    Args:
        rewards: by task and attempt, in [0, 1].
    """
    repeated = [list(by_attempt.values()) for by_attempt in rewards.values() if len(by_attempt) > 1]
    most = sum(mean * (1 - mean) for mean in (sum(values) / len(values) for values in repeated))
    return min(sum(map(_variance, repeated)) / most, 1.0) if most > 0 else 1.0


@dataclass(frozen=True)
class Luck:
    """How a simulated scaffold's rewards fall: mean rewards by task, and their scatter (`scatter_of`)."""

    rates: Rates
    scatter: float = 1.0

    def draw(self, dice: np.random.Generator, names: Sequence[str], passes: tuple[int, ...]) -> Floats:
        """Draw rewards, passes x tasks: 0 or 1 with the most scatter, otherwise from beta distributions."""
        means = np.array([self.rates[name] for name in names])
        size = (*passes, len(names))
        if self.scatter >= 1:
            return (dice.random(size) < means).astype(float)
        if self.scatter < LEAST_SCATTER:
            return np.broadcast_to(means, size).copy()
        # A beta distribution of mean p whose parameters add up to c has the variance p (1 - p) / (c + 1).
        total, inner = 1 / self.scatter - 1, np.clip(means, 1e-9, 1 - 1e-9)
        drawn = dice.beta(total * inner, total * (1 - inner), size)
        return np.where((means <= 0) | (means >= 1), means, drawn)


def _variance(values: Sequence[float]) -> float:
    """Unbiased; of a single value, as much as its mean allows."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean * (1 - mean)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


def power(
    tasks: Sequence[TaskSlot],
    luck: Luck,
    settings: GateConfig,
    candidates: int = 300,
    begin: RuleMaker = begin_rule,
) -> Power:
    """Simulate `candidates` patches for each gain; a gain is the same shift of all tasks in logits."""
    null, trials = _null_patches(tasks, luck, settings, candidates, begin)
    smallest = None
    for gain in GAINS:
        better = _shifted(luck, gain)
        if better is not None and _simulate(tasks, luck, better, settings, candidates, begin)[0] >= POWER:
            smallest = gain
            break
    return Power(null, smallest, trials)


def _null_patches(
    tasks: Sequence[TaskSlot], luck: Luck, settings: GateConfig, candidates: int, begin: RuleMaker
) -> tuple[float, float]:
    """Of patches without effect: the share built upon, and a round's mean trials with the tip's."""
    taken, trials = _simulate(tasks, luck, luck, settings, candidates, begin)
    return taken, trials * (1 + settings.tip_share)


def _shifted(luck: Luck, gain: float) -> Luck | None:
    """The luck with this much higher mean; None if there is no room. Tasks at 0 or 1 count as close to it."""
    rates = luck.rates
    logits = {task: math.log(p / (1 - p)) for task, p in ((t, min(max(r, 0.02), 0.98)) for t, r in rates.items())}
    goal = sum(rates.values()) / len(rates) + gain
    if goal >= 0.98:
        return None
    low, high = 0.0, 12.0
    for _ in range(40):
        shift = (low + high) / 2
        moved = {task: 1 / (1 + math.exp(-logit - shift)) for task, logit in logits.items()}
        low, high = (shift, high) if sum(moved.values()) / len(moved) < goal else (low, shift)
    return replace(luck, rates=moved)


def _simulate(
    tasks: Sequence[TaskSlot], old: Luck, new: Luck, settings: GateConfig, candidates: int, begin: RuleMaker
) -> tuple[float, float]:
    """Share that is built upon, and mean trials of the candidate; each against a tip measured anew."""
    dice = np.random.default_rng(CALIBRATION_STREAM)
    start = initial_standing(tasks, settings, Candidate("simulated", 0, None, "simulated"), begin=begin)
    names = [task.name for task in start.tasks]
    rulings = []
    for _ in range(candidates):
        rule = start.rule
        while rule.tip_needs_trials():
            rule = _after_tip_trials(rule, None, old, dice, names)
        rewards = new.draw(dice, names, (settings.most_passes,))
        while isinstance(answer := rule.judge(rewards), NeedPart):
            rule = _after_tip_trials(rule, answer.part, old, dice, names)
        rulings.append(answer)
    taken = sum(ruling.taken for ruling in rulings) / candidates
    return taken, sum(ruling.assessment.trials for ruling in rulings) / candidates


def _after_tip_trials(
    rule: Rule, part: Part | None, luck: Luck, dice: np.random.Generator, names: Sequence[str]
) -> Rule:
    """The rule after drawn trials of the tip: this part, or the next pass."""
    if not isinstance(rule, StackRule):
        return rule.with_tip_pass(luck.draw(dice, names, ()))
    parts = rule.next_tip_parts() if part is None else (part,)
    drawn = luck.draw(dice, names, (max(one.attempt for one in parts) + 1,))
    rewards = np.full_like(drawn, np.nan)
    for one in parts:
        rewards[one.attempt, list(one.tasks)] = drawn[one.attempt, list(one.tasks)]
    return rule.with_tip_trials(rewards)
