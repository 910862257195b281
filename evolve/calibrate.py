"""What a suite can show, before anything is spent on rounds: the scaffold against itself (A/A). Pure.

Luck is taken as independent between scaffolds. Where a model heeds seeds, equal behaviour has equal luck, and all of
this is better than said here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from evolve.config import GateConfig
from evolve.gate import MoreTrials, Slot, TaskSlot, judge
from evolve.records import Decision, Outcome, Split, TrialResult, Usage, Verdict, stable_hash

POWER = 0.8
LARGEST_HASH = 2**63
GAINS = (0.02, 0.04, 0.06, 0.08, 0.10, 0.15, 0.20, 0.30, 0.40)
Rates = Mapping[str, float]


@dataclass(frozen=True)
class Noise:
    """Of one scaffold, from several attempts at each task. Rewards are in [0, 1].

    `rates`: mean reward by task. `one_pass`: standard deviation of the score of one attempt at all tasks, from the
    spread within tasks; `difference`: of two such scores of the same scaffold. `seen`: the same, as it was seen over
    `pairs` pairs of passes that were really run; None with a single pass.
    """

    rates: Rates
    attempts: int
    one_pass: float
    seen: float | None
    pairs: int

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
    """What the gate would make of patches of this scaffold, by simulation.

    `kept_null`: share kept of patches that do nothing. `smallest`: the smallest gain of GAINS in the mean reward that
    is kept four times in five; None if none is. `trials`: of the candidate, until a patch that does nothing is decided.
    """

    kept_null: float
    smallest: float | None
    trials: float


@dataclass(frozen=True)
class Cost:
    """Of rounds whose patches do nothing, proposals aside: trials, hours of the clock, US dollars."""

    trials: float
    hours: float
    usd: float


def cost(trials: Sequence[TrialResult], per_round: float, rounds: int, jobs: int) -> Cost:
    """`trials`: of the scaffold, for what one takes. `per_round`: trials of a candidate. `jobs`: trials at once."""
    count = per_round * rounds
    seconds = sum(trial.seconds for trial in trials) / len(trials)
    usd = sum(trial.usage.cost_usd for trial in trials) / len(trials)
    return Cost(count, count * seconds / jobs / 3600, count * usd)


def noise(trials: Sequence[TrialResult]) -> Noise:
    """From trials that count, of one scaffold. Raises ValueError where some task has fewer attempts than another."""
    rewards: dict[str, dict[int, float]] = {}
    for trial in trials:
        if trial.reward is not None:
            rewards.setdefault(trial.task, {})[trial.attempt] = trial.reward
    attempts = sorted({attempt for found in rewards.values() for attempt in found})
    if not attempts or any(len(found) != len(attempts) for found in rewards.values()):
        raise ValueError("every task needs the same attempts")
    count = len(rewards)
    within = sum(_variance(list(found.values())) for found in rewards.values())
    passes = [sum(found[attempt] for found in rewards.values()) / count for attempt in attempts]
    differences = [one - other for one, other in combinations(passes, 2)]
    seen = math.sqrt(sum(d * d for d in differences) / len(differences)) if differences else None
    rates = {task: sum(found.values()) / len(found) for task, found in rewards.items()}
    return Noise(rates, len(attempts), math.sqrt(within) / count, seen, len(differences))


def _variance(values: Sequence[float]) -> float:
    """Unbiased; of a single value, as much as its mean allows."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean * (1 - mean)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


def power(tasks: Sequence[TaskSlot], rates: Rates, settings: GateConfig, candidates: int = 300) -> Power:
    """`candidates` simulated patches for each gain; a gain is the same shift of all tasks in logits."""
    null, trials = _kept(tasks, rates, rates, settings, candidates)
    smallest = None
    for gain in GAINS:
        better = _shifted(rates, gain)
        if better is not None and _kept(tasks, rates, better, settings, candidates)[0] >= POWER:
            smallest = gain
            break
    return Power(null, smallest, trials)


def _shifted(rates: Rates, gain: float) -> Rates | None:
    """Rates with this much higher mean; None if there is no room. Tasks at 0 or 1 count as close to it."""
    logits = {task: math.log(p / (1 - p)) for task, p in ((t, min(max(r, 0.02), 0.98)) for t, r in rates.items())}
    goal = sum(rates.values()) / len(rates) + gain
    if goal >= 0.98:
        return None
    low, high = 0.0, 12.0
    for _ in range(40):
        shift = (low + high) / 2
        moved = {task: 1 / (1 + math.exp(-logit - shift)) for task, logit in logits.items()}
        low, high = (shift, high) if sum(moved.values()) / len(moved) < goal else (low, shift)
    return moved


def _kept(
    tasks: Sequence[TaskSlot], old: Rates, new: Rates, settings: GateConfig, candidates: int
) -> tuple[float, float]:
    """Share kept, and mean trials of the candidate."""
    kept = trials = 0
    for number in range(candidates):
        decision, used = _played(tasks, old, new, settings, number)
        kept += decision.verdict is Verdict.KEEP
        trials += used
    return kept / candidates, trials / candidates


def _played(
    tasks: Sequence[TaskSlot], old: Rates, new: Rates, settings: GateConfig, number: int
) -> tuple[Decision, int]:
    parent: list[TrialResult] = []
    candidate: list[TrialResult] = []
    while isinstance(said := judge(tasks, parent, candidate, settings, 0), MoreTrials):
        parent += [_trial(slot, old, number, "parent") for slot in said.slots]
        candidate += [_trial(slot, new, number, "candidate") for slot in said.slots]
    return said, len(candidate)


def _trial(slot: Slot, rates: Rates, number: int, side: str) -> TrialResult:
    task, attempt = slot
    passed = stable_hash("calibrate", number, side, task, attempt) < rates[task] * LARGEST_HASH
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    return TrialResult("simulated", task, Split.TRAIN, attempt, 0, outcome, float(passed), Usage(), "", 0.0)
