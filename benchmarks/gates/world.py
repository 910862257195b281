"""Simulated campaigns: tasks with pass rates, patches drawn from a mix, trials that cost budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

Floats = NDArray[np.float64]
Tasks = NDArray[np.intp]


class BudgetSpent(Exception):
    """The budget has no room for the requested trials: the campaign is over."""


@dataclass(frozen=True)
class Mix:
    """The effects of patches. The shares (null, harmful, broken, helpful) sum to 1.

    gain, loss: mean shift of a typical task by a helpful or harmful patch, in logits. tail: 0 draws shifts from the
    exponential distribution; t > 0 from the Pareto (Lomax) distribution with that shape and the same mean.
    families: 0: every patch shifts all tasks, each with its own strength; f > 0: it improves one of f families of
    tasks and harms another. spread: standard deviation of the tasks in logits. coupling: correlation of the luck of two
    scaffolds on the same task and attempt. scatter: variance of a trial's reward as a share of the most that its mean p
    allows, p (1 - p): 1 for rewards of 0 and 1, less for numbers between them. dispersion: correlation of rewards of 0
    and 1 of the same task and attempt, whose pass rate is drawn from one beta distribution (beta-binomial).
    batch: standard deviation in logits of a shift that all trials of a scaffold on one attempt share.
    shifts: pairs of a share of the budget and the logits by which all tasks become easier once it is spent. slope:
    logits by which they become easier evenly over the whole budget. announced: the endpoint's answers show each of the
    shifts (`World.epoch`).
    """

    null: float = 0.45
    harmful: float = 0.30
    broken: float = 0.05
    helpful: float = 0.20
    gain: float = 0.11
    loss: float = 0.25
    tail: float = 0.0
    families: int = 0
    start: float = -0.6
    spread: float = 1.5
    coupling: float = 0.0
    scatter: float = 1.0
    dispersion: float = 0.0
    batch: float = 0.0
    shifts: tuple[tuple[float, float], ...] = ()
    slope: float = 0.0
    announced: bool = True

    def __post_init__(self) -> None:
        if not math.isclose(self.null + self.harmful + self.broken + self.helpful, 1.0):
            raise ValueError(f"the shares of a mix must sum to 1: {self}")
        if not 0 < self.scatter <= 1 or not 0 <= self.dispersion < 1:
            raise ValueError(f"scatter must be in (0, 1] and dispersion in [0, 1): {self}")


SCARCE = Mix(null=0.67, harmful=0.23, broken=0.05, helpful=0.05)
# About five points where a third of the trials pass.
FIVE_POINTS = 0.3

MIXES: Mapping[str, Mix] = {
    "standard": Mix(),
    "scarce": SCARCE,
    "rich": Mix(null=0.30, harmful=0.15, broken=0.05, helpful=0.50),
    "hostile": Mix(null=0.15, harmful=0.65, broken=0.10, helpful=0.10),
    "heavy": Mix(tail=1.5),
    "families": Mix(families=5, gain=0.35, loss=0.35),
    "polar": Mix(spread=4.0, gain=0.2, loss=0.4),
    "coupled": Mix(coupling=0.8),
    "numeric": Mix(scatter=0.05),
    "precise": Mix(scatter=0.005),
    "overdispersed": Mix(dispersion=0.2),
    "batches": Mix(batch=0.15),
    "mostly-right": Mix(null=1 / 12, harmful=1 / 12, broken=0.0, helpful=5 / 6, gain=0.2, start=-2.0),
    "drift": replace(SCARCE, shifts=((1 / 3, FIVE_POINTS),)),
    "drift-silent": replace(SCARCE, shifts=((1 / 3, FIVE_POINTS),), announced=False),
    "drift-steps": replace(SCARCE, shifts=((0.2, FIVE_POINTS), (0.4, -FIVE_POINTS), (0.6, FIVE_POINTS), (0.8, -0.15))),
    "drift-slow": replace(SCARCE, slope=2 * FIVE_POINTS, announced=False),
}


@dataclass(frozen=True)
class Scaffold:
    """logits: by task. effect: true change of the mean reward relative to the parent, in points."""

    number: int
    logits: Floats
    effect: float
    kind: str
    parent: int | None


@dataclass
class World:
    """The truth behind one campaign. budget: in trials. The last third of the tasks is validation."""

    mix: Mix
    budget: int
    seed: int
    tasks: int = 40
    spent: int = 0
    scaffolds: list[Scaffold] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._patches, self._luck = (np.random.default_rng([self.seed, kind]) for kind in (1, 2))
        self._whole_budget = self.budget
        self._shared: dict[int, Floats] = {}
        self._attempts: dict[int, NDArray[np.intp]] = {}
        logits = self._patches.normal(self.mix.start, self.mix.spread, self.tasks)
        self._add(logits, "seed", None)
        self.validation = np.arange(self.tasks) >= round(self.tasks * 0.65)

    @property
    def epoch(self) -> int:
        """How many shifts the endpoint's answers have shown so far."""
        return sum(self.spent > start for start in self._starts()) if self.mix.announced else 0

    def true_score(self, scaffold: Scaffold) -> float:
        """The mean reward over all tasks under the conditions of now, in points."""
        return float(100 * _sigmoid(scaffold.logits + self._shifts(np.array([self.spent]))).mean())

    def effects(self, result: CampaignResult) -> list[float]:
        """The true effects of the kept scaffolds relative to those that they are compared with, in points."""
        replaced = result.replaced
        if replaced is None:
            replaced = tuple(self.scaffolds[new.parent] for new in result.kept if new.parent is not None)
        pairs = zip(result.kept, replaced, strict=True)
        return [self.true_score(new) - self.true_score(old) for new, old in pairs]

    def propose(self, parent: Scaffold) -> Scaffold:
        """Draw a patch of `parent` from the mix. Costs no trials."""
        mix = self.mix
        kinds = ("null", "harmful", "broken", "helpful")
        kind = kinds[self._patches.choice(4, p=(mix.null, mix.harmful, mix.broken, mix.helpful))]
        if kind == "null":
            return self._add(parent.logits, kind, parent)
        if kind == "broken":
            return self._add(np.full(self.tasks, -40.0), kind, parent)
        mean, sign = (mix.gain, 1.0) if kind == "helpful" else (mix.loss, -1.0)
        return self._add(parent.logits + sign * self._draw_size(mean) * self._draw_strengths(), kind, parent)

    def merge(self, tip: Scaffold, patch: Scaffold) -> Scaffold:
        """Apply a patch to `tip` instead of its parent. Costs no trials."""
        assert patch.parent is not None
        return self._add(tip.logits + patch.logits - self.scaffolds[patch.parent].logits, patch.kind, tip)

    def _draw_size(self, mean: float) -> float:
        if self.mix.tail:
            return float(mean * (self.mix.tail - 1) * self._patches.pareto(self.mix.tail))
        return float(self._patches.exponential(mean))

    def _draw_strengths(self) -> Floats:
        """Draw the strength of a patch by task; the mean is about 1, with families that of the improved family."""
        strength = self._patches.exponential(1.0, self.tasks)
        if not self.mix.families:
            return strength
        family = np.arange(self.tasks) % self.mix.families
        first, second = self._patches.choice(self.mix.families, 2, replace=False)
        return strength * (2.0 * (family == first) - 0.5 * (family == second))

    def _add(self, logits: Floats, kind: str, parent: Scaffold | None) -> Scaffold:
        effect = 0.0 if parent is None else float(100 * (_sigmoid(logits) - _sigmoid(parent.logits)).mean())
        scaffold = Scaffold(len(self.scaffolds), logits, effect, kind, parent.number if parent else None)
        self.scaffolds.append(scaffold)
        return scaffold

    def run(self, scaffold: Scaffold, tasks: Tasks, attempt: int | None = None) -> Floats:
        """Run one trial on each of `tasks`.

        Args:
            tasks: Distinct indices.
            attempt: The number of the attempt, in which scaffolds share part of their luck; None: the scaffold's next.

        Returns:
            The rewards in [0, 1]; 0 or 1 unless the mix scatters them less.

        Raises:
            BudgetSpent: The budget has no room for these trials.
        """
        if self.spent + len(tasks) > self.budget:
            self.spent = self.budget
            raise BudgetSpent
        attempts = self._attempts_of(scaffold, tasks, attempt)
        logits = scaffold.logits[tasks] + self._shifts(self.spent + np.arange(1, len(tasks) + 1))
        self.spent += len(tasks)
        rates = _sigmoid(logits + self._batch_shifts(scaffold, attempts))
        if self.mix.dispersion:
            rates = _beta_quantile(rates, self.mix.dispersion, _phi(self._shared_luck(tasks, attempts)))
        uniform = self._uniform(tasks, attempts)
        if self.mix.scatter < 1:
            return _beta_quantile(rates, self.mix.scatter, uniform)
        return np.asarray(uniform < rates, float)

    def _uniform(self, tasks: Tasks, attempts: Tasks) -> Floats:
        """Luck in [0, 1]: independent, or correlated with that of other scaffolds on the same task and attempt."""
        rho = self.mix.coupling
        if not rho:
            return self._luck.random(len(tasks))
        own = self._luck.standard_normal(len(tasks))
        return _phi(math.sqrt(rho) * self._shared_luck(tasks, attempts) + math.sqrt(1 - rho) * own)

    def _attempts_of(self, scaffold: Scaffold, tasks: Tasks, attempt: int | None) -> Tasks:
        """The number of the attempt on each task."""
        if attempt is not None:
            return np.full(len(tasks), attempt)
        counts = self._attempts.setdefault(scaffold.number, np.zeros(self.tasks, np.intp))
        counts[tasks] += 1
        return counts[tasks] - 1

    def _shared_luck(self, tasks: Tasks, attempts: Tasks) -> Floats:
        return np.array([self._attempt_luck(int(number))[task] for number, task in zip(attempts, tasks, strict=True)])

    def _batch_shifts(self, scaffold: Scaffold, attempts: Tasks) -> Floats:
        """What the trials of one scaffold on one attempt share, in logits."""
        if not self.mix.batch:
            return np.zeros(len(attempts))
        numbers, places = np.unique(attempts, return_inverse=True)
        drawn = [np.random.default_rng([self.seed, 4, scaffold.number, int(n)]).standard_normal() for n in numbers]
        return self.mix.batch * np.array(drawn)[places]

    def _starts(self) -> list[float]:
        """The trials after which each shift holds."""
        return [share * self._whole_budget for share, _ in self.mix.shifts]

    def _shifts(self, trials: Tasks) -> Floats:
        """By how many logits tasks are easier in each of these trials, counted from the first of the campaign."""
        shifts = self.mix.slope * trials / self._whole_budget
        for start, (_, size) in zip(self._starts(), self.mix.shifts, strict=True):
            shifts = shifts + size * (trials > start)
        return np.asarray(shifts)

    def _attempt_luck(self, number: int) -> Floats:
        """The shared luck of all tasks on this attempt, standard normal."""
        if number not in self._shared:
            self._shared[number] = np.random.default_rng([self.seed, 3, number]).standard_normal(self.tasks)
        return self._shared[number]


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def _beta_quantile(means: Floats, scatter: float, chances: Floats) -> Floats:
    """Quantiles of beta distributions with these means, whose variance is the share `scatter` of p (1 - p)."""
    # A beta distribution of mean p whose parameters add up to c has the variance p (1 - p) / (c + 1).
    total, inner = 1 / scatter - 1, np.clip(means, 1e-9, 1 - 1e-9)
    quantiles = betaincinv(total * inner, total * (1 - inner), chances)
    return np.where((means < 1e-9) | (means > 1 - 1e-9), np.round(means), quantiles)


def _phi(values: Floats) -> Floats:
    return np.asarray(ndtr(values))


@dataclass(frozen=True)
class CampaignResult:
    """The result of a rule's campaign. reported: the score, in points, that the rule reports for `champion`.

    kept: every scaffold that became the one to beat, in order; for archives, each new best. replaced: the scaffold that
    each of these is compared with; None: its parent. promised: how many of `kept` the rule expects to be worse than
    the one before by more than a point; None: it says nothing about that.
    """

    champion: Scaffold
    reported: float
    kept: tuple[Scaffold, ...]
    replaced: tuple[Scaffold, ...] | None = None
    promised: float | None = None


class Rule(Protocol):
    """A way of searching, which plays until the world's budget is spent."""

    def __call__(self, world: World) -> CampaignResult: ...
