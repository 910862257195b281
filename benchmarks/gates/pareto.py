"""GEPA: candidates that are best on some validation task get children, which must first pass a minibatch of three."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from evolve.gate.select import front_counts
from gates.greedy import Best, generator
from gates.world import BudgetSpent, CampaignResult, Floats, Scaffold, Tasks, World

MINIBATCH = 3


def gepa(world: World) -> CampaignResult:
    """GEPA (Agrawal et al. 2025, arXiv 2507.19457, algorithms 1 and 2), with the defaults of gepa-ai/gepa.

    Each iteration samples a parent from the Pareto front, runs it on the next minibatch of the train tasks, and skips
    it if it solves all three (`reflective_mutation.py`); the child runs on the same three and must solve strictly more;
    then one pass over validation adds it to the pool (`engine.py`). The highest mean on validation wins and is
    reported, though validation is only a third of the tasks.
    Not implemented: merging (off by default), several components of a prompt.
    """
    rng = generator(world)
    batches, pool = Minibatches(world, rng), Pool(world, rng)
    with suppress(BudgetSpent):
        while True:
            parent, batch = pool.draw_parent(), batches.next_batch()
            before = world.run(parent, batch).sum()
            if before == len(batch):
                continue
            child = world.propose(parent)
            if world.run(child, batch).sum() > before:
                pool.add(child)
    return pool.best.result()


class Minibatches:
    """The train tasks in a new order each epoch, padded with the least-run tasks (`batch_sampler.py`)."""

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self._rng, self._train = rng, np.flatnonzero(~world.validation)
        self._runs = np.zeros(world.tasks)
        self._queue: list[Tasks] = []

    def next_batch(self) -> Tasks:
        if not self._queue:
            order = self._rng.permutation(self._train)
            self._runs[order] += 1
            while len(order) % MINIBATCH:
                order = np.append(order, self._padding(order))
            self._queue = list(order.reshape(-1, MINIBATCH))
        return self._queue.pop(0)

    def _padding(self, order: Tasks) -> int:
        """Choose a task that the minibatch doesn't contain yet, as a call runs each task once."""
        free = np.setdiff1d(self._train, order[len(order) // MINIBATCH * MINIBATCH :])
        chosen = int(free[self._runs[free].argmin()])
        self._runs[chosen] += 1
        return chosen


@dataclass
class Pool:
    """All candidates with their validation rewards. Starts with the seed's pass over validation."""

    world: World
    rng: np.random.Generator
    candidates: list[Scaffold] = field(default_factory=list)
    rewards: list[Floats] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tasks = np.flatnonzero(self.world.validation)
        self.best = Best(self.world.scaffolds[0], -1.0)
        self.add(self.world.scaffolds[0])
        self.best.kept.clear()

    def add(self, candidate: Scaffold) -> None:
        rewards = self.world.run(candidate, self._tasks)
        self.candidates.append(candidate)
        self.rewards.append(rewards)
        self.best.offer(candidate, float(100 * rewards.mean()))
        self._weights = np.cumsum(front_counts(np.array(self.rewards)))

    def draw_parent(self) -> Scaffold:
        drawn = self.rng.random() * self._weights[-1]
        return self.candidates[int(np.searchsorted(self._weights, drawn, side="right"))]
