"""The Huxley-Goedel Machine: a tree of agents; which one has a child depends on how all its descendants do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from gates.greedy import everything, generator
from gates.world import Floats, Played, Scaffold, Spent, Tasks, World

ALPHA = 0.6
EPSILON = 0.01
AT_ONCE = 20
AT_START = 5


@dataclass(frozen=True)
class Huxley:
    """Huxley-Goedel Machine (Wang et al. 2025, arXiv 2510.21614, sections 3 and 4; repository metauto-ai/HGM).

    Expands when N^0.6 >= nodes, N the evaluations so far, else evaluates one agent on one task that it hasn't run.
    Both pick by Thompson sampling from Beta(t (1 + successes), t (1 + failures)), t = budget / what is left of it:
    expansion counts an agent's whole clade and takes those that solved something, evaluation the agent alone. The
    end: the best belief, the highest 1st percentile of Beta(1 + successes, 1 + failures) (epsilon = 1, read as per
    cent). The first agent has run all tasks. 20 evaluations are drawn at once, as its 20 workers do (`config.yaml`),
    after 5 expansions (`hgm.py`). The repository switches t off; the paper's experiments have it.

    With `repeats`, agents that have run all tasks may run them again (not in HGM): where budget / tasks is far above
    the paper's 13, nobody's evidence would ever grow beyond one pass. Without, it expands when all have run all.
    """

    repeats: bool = False

    def __call__(self, world: World) -> Played:
        tree = Tree(world, generator(world), math.inf if self.repeats else world.tasks)
        with suppress(Spent):
            for _ in range(AT_START):
                tree.expand()
            while True:
                tree.grow()
        return tree.played()


class Tree:
    """Successes and runs of each node and of its clade, itself included. `most`: runs that a node may have."""

    def __init__(self, world: World, rng: np.random.Generator, most: float) -> None:
        self.world, self.rng, self.most = world, rng, most
        room = world.budget // world.tasks + int(world.budget**ALPHA) + AT_START + 8
        self.own, self.clade = np.zeros((2, room)), np.zeros((2, room))
        self.belief = np.full(room, -1.0)
        self.nodes: list[Scaffold] = []
        self.lines: list[Tasks] = []
        self.orders: list[Tasks] = []
        self.believed: dict[int, Scaffold] = {}
        self._add(world.scaffolds[0], np.array([], np.intp))
        self._record(0, world.run(self.nodes[0], everything(world)))

    def _add(self, agent: Scaffold, ancestors: Tasks) -> None:
        self.lines.append(np.append(ancestors, len(self.nodes)))
        self.orders.append(self.rng.permutation(self.world.tasks))
        self.nodes.append(agent)

    def grow(self) -> None:
        """Expansions that are due, then evaluations. Raises Spent."""
        while (self.world.spent - self.world.tasks) ** ALPHA >= len(self.nodes) - 1:
            self.expand()
        open_to = np.flatnonzero(self.own[1, : len(self.nodes)] < self.most)
        if not len(open_to):
            return self.expand()
        for node, times in self._drawn(open_to):
            done = int(self.own[1, node])
            chosen = (done + np.arange(min(times, self.most - done), dtype=int)) % self.world.tasks
            self._record(node, self.world.run(self.nodes[node], self.orders[node][chosen]))
        self._believe()

    def expand(self) -> None:
        able = np.flatnonzero(self.own[0, : len(self.nodes)] > 0)
        able = able if len(able) else np.array([0])
        parent = able[self._sample(self.clade[:, able], 1)[0]]
        self._add(self.world.propose(self.nodes[parent]), self.lines[parent])

    def _drawn(self, open_to: Tasks) -> Iterator[tuple[int, int]]:
        """Nodes to evaluate and how often, 20 in all."""
        picked = open_to[self._sample(self.own[:, open_to], AT_ONCE)]
        nodes, times = np.unique(picked, return_counts=True)
        return zip(nodes.tolist(), times.tolist(), strict=True)

    def _sample(self, counts: Floats, times: int) -> Tasks:
        """Thompson sampling, `times` draws. `counts`: successes and runs by candidate. -> positions."""
        temperature = self.world.budget / max(self.world.budget - self.world.spent, 1)
        high, low = temperature * (1 + counts[0]), temperature * (1 + counts[1] - counts[0])
        return np.asarray(self.rng.beta(high, low, (times, len(high))).argmax(axis=1))

    def _record(self, node: int, rewards: Floats) -> None:
        gained = np.array([rewards.sum(), len(rewards)])
        self.own[:, node] += gained
        self.clade[:, self.lines[node]] += gained[:, None]
        successes, runs = self.own[:, node]
        self.belief[node] = betaincinv(1 + successes, 1 + runs - successes, EPSILON)

    def _believe(self) -> None:
        if node := int(self.belief.argmax()):
            self.believed.setdefault(node, self.nodes[node])

    def played(self) -> Played:
        self._believe()
        node = int(self.belief.argmax())
        successes, runs = self.own[:, node]
        return Played(self.nodes[node], float(100 * successes / runs), tuple(self.believed.values()))
