"""Rules with one champion: keep a patch if it scores higher, or if it passes a test against the champion's trials."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from gates.world import BudgetSpent, CampaignResult, Floats, Scaffold, Tasks, World

RULE_STREAM = 5
SCREEN_TASKS = 8
TEST_ATTEMPTS = 2
CRITICAL = 1.6448536269514722


@dataclass
class Best:
    """The scaffold with the highest score so far, in points, and all that ever had it. The earlier one wins a tie."""

    scaffold: Scaffold
    score: float
    kept: list[Scaffold] = field(default_factory=list)

    def offer(self, scaffold: Scaffold, score: float) -> None:
        """Replace the best scaffold if the score is higher."""
        if score > self.score:
            self.replace(scaffold, score)

    def replace(self, scaffold: Scaffold, score: float) -> None:
        self.scaffold, self.score = scaffold, score
        self.kept.append(scaffold)

    def result(self) -> CampaignResult:
        return CampaignResult(self.scaffold, self.score, tuple(self.kept))


def generator(world: World) -> np.random.Generator:
    """A rule's own source of randomness, separate from the world's."""
    return np.random.default_rng([world.seed, RULE_STREAM])


def all_tasks(world: World) -> Tasks:
    return np.arange(world.tasks)


def successes_of(world: World, scaffold: Scaffold, attempts: int) -> Floats:
    """Run `attempts` on every task, and return the successes by task."""
    tasks = all_tasks(world)
    return np.asarray(np.sum([world.run(scaffold, tasks) for _ in range(attempts)], axis=0))


@dataclass(frozen=True)
class Greedy:
    """Hill climbing: keep a patch whose score over `attempts` on all tasks is above the champion's stored score.

    The usual loop without statistics, not taken from one source. There is no archive: the parent is always the
    champion, which keeps the score of its lucky trials.
    """

    attempts: int

    def __call__(self, world: World) -> CampaignResult:
        seed = world.scaffolds[0]
        best = Best(seed, self._score(world, seed))
        with suppress(BudgetSpent):
            while True:
                child = world.propose(best.scaffold)
                best.offer(child, self._score(world, child))
        return best.result()

    def _score(self, world: World, scaffold: Scaffold) -> float:
        return float(100 * successes_of(world, scaffold, self.attempts).mean() / self.attempts)


def cmh_winner(world: World) -> CampaignResult:
    """Keep a patch that passes a one-sided test at 5 % against the trials that the champion won with.

    The test is Cochran-Mantel-Haenszel, stratified by task (Mantel and Haenszel 1959, JNCI 22:719), without continuity
    correction, with two attempts on all tasks per side. It follows a screen: one attempt on 8 random train tasks, which
    must not score below the champion's stored trials there. The champion is never run again. The rule represents loops
    that do test, but against a baseline selected for being high.
    """
    rng, train = generator(world), np.flatnonzero(~world.validation)
    stored = successes_of(world, world.scaffolds[0], TEST_ATTEMPTS)
    best = Best(world.scaffolds[0], _points(stored))
    with suppress(BudgetSpent):
        while True:
            child, screen = world.propose(best.scaffold), rng.choice(train, SCREEN_TASKS, replace=False)
            if world.run(child, screen).sum() * TEST_ATTEMPTS < stored[screen].sum():
                continue
            fresh = successes_of(world, child, TEST_ATTEMPTS)
            if cmh(fresh, stored, TEST_ATTEMPTS) > CRITICAL:
                stored = fresh
                best.replace(child, _points(fresh))
    return best.result()


def cmh(new: Floats, old: Floats, attempts: int) -> float:
    """The z value of the Cochran-Mantel-Haenszel statistic; 0 if all tasks tie.

    Args:
        new: Successes by task, out of `attempts`.
        old: The same of the scaffold compared with.
    """
    successes, trials = new + old, 2 * attempts
    variance = attempts**2 * successes * (trials - successes) / (trials**2 * (trials - 1))
    spread = math.sqrt(variance.sum())
    return float((new - successes / 2).sum() / spread) if spread else 0.0


def _points(successes: Floats) -> float:
    return float(100 * successes.mean() / TEST_ATTEMPTS)
