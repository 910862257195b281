"""Simulated campaigns: tasks with pass rates, patches drawn from a mix that change them, trials that cost."""

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


class Spent(Exception):
    """The budget has no room for the trials asked for: the campaign is over."""


@dataclass(frozen=True)
class Mix:
    """What patches do. Shares sum to 1. Sizes are means, in logits, of a patch's shift of a typical task.

    `tail`: 0 draws sizes from the exponential distribution; t > 0 from Pareto's (Lomax) with that shape and equal mean.
    `families`: 0 lets every patch touch each task with its own strength; f > 0 makes it touch one of f families only,
    and take something from another. `spread`: standard deviation of tasks in logits. `coupling`: correlation of the
    luck of two scaffolds on the same task and attempt.
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
            raise ValueError(f"the shares of a mix sum to 1: {self}")


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
    """`logits`: per task. `effect`: true change of the mean pass rate against its parent, in points."""

    number: int
    logits: Floats
    effect: float
    kind: str
    parent: int | None


@dataclass
class World:
    """One campaign's truth. `budget`: trials that may be paid for. The last third of the tasks is validation."""

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

    def true(self, scaffold: Scaffold) -> float:
        """Mean pass rate over all tasks, in points."""
        return float(100 * _sigmoid(scaffold.logits).mean())

    def effects(self, played: Played) -> list[float]:
        """True effects of what was kept over what it is compared with, in points."""
        if played.replaced is None:
            return [scaffold.effect for scaffold in played.kept]
        pairs = zip(played.kept, played.replaced, strict=True)
        return [self.true(new) - self.true(old) for new, old in pairs]

    def propose(self, parent: Scaffold) -> Scaffold:
        """A patch of `parent`, drawn from the mix. Costs no trials."""
        mix = self.mix
        kinds = ("null", "harmful", "broken", "helpful")
        kind = kinds[self._patches.choice(4, p=(mix.null, mix.harmful, mix.broken, mix.helpful))]
        if kind == "null":
            return self._add(parent.logits, kind, parent)
        if kind == "broken":
            return self._add(np.full(self.tasks, -40.0), kind, parent)
        mean, sign = (mix.gain, 1.0) if kind == "helpful" else (mix.loss, -1.0)
        return self._add(parent.logits + sign * self._size(mean) * self._where(), kind, parent)

    def merge(self, tip: Scaffold, patch: Scaffold) -> Scaffold:
        """The patch, made to another scaffold than its parent. Costs no trials."""
        assert patch.parent is not None
        return self._add(tip.logits + patch.logits - self.scaffolds[patch.parent].logits, patch.kind, tip)

    def _size(self, mean: float) -> float:
        if self.mix.tail:
            return float(mean * (self.mix.tail - 1) * self._patches.pareto(self.mix.tail))
        return float(self._patches.exponential(mean))

    def _where(self) -> Floats:
        """By task, how strongly a patch acts there; mean about 1 (of the family touched, with families)."""
        strength = self._patches.exponential(1.0, self.tasks)
        if not self.mix.families:
            return strength
        family = np.arange(self.tasks) % self.mix.families
        first, second = self._patches.choice(self.mix.families, 2, replace=False)
        return strength * (2.0 * (family == first) - 0.5 * (family == second))

    def _add(self, logits: Floats, kind: str, parent: Scaffold | None) -> Scaffold:
        effect = 0.0 if parent is None else float(100 * (_sigmoid(logits) - _sigmoid(parent.logits)).mean())
        made = Scaffold(len(self.scaffolds), logits, effect, kind, parent.number if parent else None)
        self.scaffolds.append(made)
        return made

    def run(self, scaffold: Scaffold, tasks: Tasks, attempt: int | None = None) -> Floats:
        """One trial on each of `tasks` (indices, none twice in a call). -> rewards, 0 or 1. Raises Spent.

        `attempt`: which one of each task, all scaffolds' luck on it being shared in part; None is the scaffold's next.
        """
        if self.spent + len(tasks) > self.budget:
            self.spent = self.budget
            raise Spent
        self.spent += len(tasks)
        rates = _sigmoid(scaffold.logits[tasks])
        return (self._uniform(scaffold, tasks, attempt) < rates).astype(float)

    def _uniform(self, scaffold: Scaffold, tasks: Tasks, attempt: int | None) -> Floats:
        """Luck in [0, 1]: own, or correlated with that of other scaffolds on the same task and attempt."""
        rho = self.mix.coupling
        if not rho:
            return self._luck.random(len(tasks))
        own = self._luck.standard_normal(len(tasks))
        return _phi(math.sqrt(rho) * self._luck_of(scaffold, tasks, attempt) + math.sqrt(1 - rho) * own)

    def _luck_of(self, scaffold: Scaffold, tasks: Tasks, attempt: int | None) -> Floats:
        if attempt is not None:
            return self._attempt(attempt)[tasks]
        attempts = self._attempts.setdefault(scaffold.number, np.zeros(self.tasks, np.intp))
        found = np.array([self._attempt(number)[task] for number, task in zip(attempts[tasks], tasks, strict=True)])
        attempts[tasks] += 1
        return found

    def _attempt(self, number: int) -> Floats:
        """The luck of all tasks on this attempt, standard normal."""
        if number not in self._shared:
            self._shared[number] = np.random.default_rng([self.seed, 3, number]).standard_normal(self.tasks)
        return self._shared[number]


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def _phi(values: Floats) -> Floats:
    return np.asarray(ndtr(values))


@dataclass(frozen=True)
class Played:
    """What a rule ended with. `reported`: the score, in points, that it would show for `champion`.

    `kept`: every scaffold that became the one to beat, in order; for archives, each new best. `replaced`: whom each of
    these is compared with, to tell whether it was worth keeping; None stands for their parents.
    """

    champion: Scaffold
    reported: float
    kept: tuple[Scaffold, ...]
    replaced: tuple[Scaffold, ...] | None = None


class Rule(Protocol):
    """A way of searching: plays until the world's budget is spent."""

    def __call__(self, world: World) -> Played: ...
