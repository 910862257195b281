"""Simulated campaigns: tasks with pass rates, patches drawn from a mix, trials that cost budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

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
    scaffolds on the same task and attempt.
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

    def __post_init__(self) -> None:
        if not math.isclose(self.null + self.harmful + self.broken + self.helpful, 1.0):
            raise ValueError(f"the shares of a mix must sum to 1: {self}")


MIXES: Mapping[str, Mix] = {
    "standard": Mix(),
    "scarce": Mix(null=0.67, harmful=0.23, broken=0.05, helpful=0.05),
    "rich": Mix(null=0.30, harmful=0.15, broken=0.05, helpful=0.50),
    "hostile": Mix(null=0.15, harmful=0.65, broken=0.10, helpful=0.10),
    "heavy": Mix(tail=1.5),
    "families": Mix(families=5, gain=0.35, loss=0.35),
    "polar": Mix(spread=4.0, gain=0.2, loss=0.4),
    "coupled": Mix(coupling=0.8),
}


@dataclass(frozen=True)
class Scaffold:
    """logits: by task. effect: true change of the mean pass rate relative to the parent, in points."""

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
        self._shared: dict[int, Floats] = {}
        self._attempts: dict[int, NDArray[np.intp]] = {}
        logits = self._patches.normal(self.mix.start, self.mix.spread, self.tasks)
        self._add(logits, "seed", None)
        self.validation = np.arange(self.tasks) >= round(self.tasks * 0.65)

    def true_score(self, scaffold: Scaffold) -> float:
        """The mean pass rate over all tasks, in points."""
        return float(100 * _sigmoid(scaffold.logits).mean())

    def effects(self, result: CampaignResult) -> list[float]:
        """The true effects of the kept scaffolds relative to those that they are compared with, in points."""
        if result.replaced is None:
            return [scaffold.effect for scaffold in result.kept]
        pairs = zip(result.kept, result.replaced, strict=True)
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
            The rewards, 0 or 1.

        Raises:
            BudgetSpent: The budget has no room for these trials.
        """
        if self.spent + len(tasks) > self.budget:
            self.spent = self.budget
            raise BudgetSpent
        self.spent += len(tasks)
        rates = _sigmoid(scaffold.logits[tasks])
        return (self._uniform(scaffold, tasks, attempt) < rates).astype(float)

    def _uniform(self, scaffold: Scaffold, tasks: Tasks, attempt: int | None) -> Floats:
        """Luck in [0, 1]: independent, or correlated with that of other scaffolds on the same task and attempt."""
        rho = self.mix.coupling
        if not rho:
            return self._luck.random(len(tasks))
        own = self._luck.standard_normal(len(tasks))
        return _phi(math.sqrt(rho) * self._shared_luck(scaffold, tasks, attempt) + math.sqrt(1 - rho) * own)

    def _shared_luck(self, scaffold: Scaffold, tasks: Tasks, attempt: int | None) -> Floats:
        if attempt is not None:
            return self._attempt_luck(attempt)[tasks]
        attempts = self._attempts.setdefault(scaffold.number, np.zeros(self.tasks, np.intp))
        luck = np.array([self._attempt_luck(number)[task] for number, task in zip(attempts[tasks], tasks, strict=True)])
        attempts[tasks] += 1
        return luck

    def _attempt_luck(self, number: int) -> Floats:
        """The shared luck of all tasks on this attempt, standard normal."""
        if number not in self._shared:
            self._shared[number] = np.random.default_rng([self.seed, 3, number]).standard_normal(self.tasks)
        return self._shared[number]


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def _phi(values: Floats) -> Floats:
    return np.asarray(ndtr(values))


@dataclass(frozen=True)
class CampaignResult:
    """The result of a rule's campaign. reported: the score, in points, that the rule reports for `champion`.

    kept: every scaffold that became the one to beat, in order; for archives, each new best. replaced: the scaffold that
    each of these is compared with; None: its parent.
    """

    champion: Scaffold
    reported: float
    kept: tuple[Scaffold, ...]
    replaced: tuple[Scaffold, ...] | None = None


class Rule(Protocol):
    """A way of searching, which plays until the world's budget is spent."""

    def __call__(self, world: World) -> CampaignResult: ...
