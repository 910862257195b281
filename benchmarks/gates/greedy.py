"""Rules with one champion: keep a patch if it scores higher, or if a test against the champion's own trials says so."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from gates.world import Floats, Played, Scaffold, Spent, Tasks, World

RULE_STREAM = 5
SCREEN_TASKS = 8
TEST_ATTEMPTS = 2
CRITICAL = 1.6448536269514722


@dataclass
class Best:
    """The highest score so far, in points, and all that ever had it. A tie goes to the earlier one."""

    scaffold: Scaffold
    score: float
    kept: list[Scaffold] = field(default_factory=list)

    def offer(self, scaffold: Scaffold, score: float) -> None:
        if score > self.score:
            self.take(scaffold, score)

    def take(self, scaffold: Scaffold, score: float) -> None:
        self.scaffold, self.score = scaffold, score
        self.kept.append(scaffold)

    def played(self) -> Played:
        return Played(self.scaffold, self.score, tuple(self.kept))


def generator(world: World) -> np.random.Generator:
    """A rule's own randomness, apart from that of the world."""
    return np.random.default_rng([world.seed, RULE_STREAM])


def everything(world: World) -> Tasks:
    return np.arange(world.tasks)


def solved(world: World, scaffold: Scaffold, attempts: int) -> Floats:
    """By task, how many of `attempts` on all tasks succeed."""
    tasks = everything(world)
    return np.asarray(np.sum([world.run(scaffold, tasks) for _ in range(attempts)], axis=0))


@dataclass(frozen=True)
class Greedy:
    """Hill climbing on the stored score: `attempts` on all tasks, kept if strictly above the champion's own.

    The loop without statistics, of no single source. No archive: the parent is always the champion, whose lucky trials
    stay its score.
    """

    attempts: int

    def __call__(self, world: World) -> Played:
        seed = world.scaffolds[0]
        best = Best(seed, self._score(world, seed))
        with suppress(Spent):
            while True:
                child = world.propose(best.scaffold)
                best.offer(child, self._score(world, child))
        return best.played()

    def _score(self, world: World, scaffold: Scaffold) -> float:
        return float(100 * solved(world, scaffold, self.attempts).mean() / self.attempts)


def cmh_winner(world: World) -> Played:
    """A test at one-sided 5 % against trials that the champion won with; they are never run again.

    Cochran-Mantel-Haenszel, stratified by task (Mantel and Haenszel 1959, JNCI 22:719), no continuity correction, two
    attempts on all tasks a side. Before it a screen: one attempt on 8 random train tasks, passed if not below what the
    champion's stored trials have there. Stands for loops that do test, but on a baseline chosen for being high.
    """
    rng, train = generator(world), np.flatnonzero(~world.validation)
    stored = solved(world, world.scaffolds[0], TEST_ATTEMPTS)
    best = Best(world.scaffolds[0], _points(stored))
    with suppress(Spent):
        while True:
            child, screen = world.propose(best.scaffold), rng.choice(train, SCREEN_TASKS, replace=False)
            if world.run(child, screen).sum() * TEST_ATTEMPTS < stored[screen].sum():
                continue
            fresh = solved(world, child, TEST_ATTEMPTS)
            if cmh(fresh, stored, TEST_ATTEMPTS) > CRITICAL:
                stored = fresh
                best.take(child, _points(fresh))
    return best.played()


def cmh(new: Floats, old: Floats, attempts: int) -> float:
    """z of the Cochran-Mantel-Haenszel statistic. `new`, `old`: successes by task, of `attempts` each. 0 if all tie."""
    successes, trials = new + old, 2 * attempts
    variance = attempts**2 * successes * (trials - successes) / (trials**2 * (trials - 1))
    spread = math.sqrt(variance.sum())
    return float((new - successes / 2).sum() / spread) if spread else 0.0


def _points(successes: Floats) -> float:
    return float(100 * successes.mean() / TEST_ATTEMPTS)
