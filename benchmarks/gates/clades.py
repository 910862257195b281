"""The Huxley-Goedel Machine: a tree of agents, in which an agent's descendants decide whether it gets a child."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from gates.greedy import all_tasks, generator
from gates.world import BudgetSpent, CampaignResult, Floats, Scaffold, Tasks, World

ALPHA = 0.6
EPSILON = 0.01
EVALUATIONS = 20
FIRST_EXPANSIONS = 5


@dataclass(frozen=True)
class Huxley:
    """Huxley-Goedel Machine (Wang et al. 2025, arXiv 2510.21614, sections 3 and 4; repository metauto-ai/HGM).

    It expands when N^0.6 >= nodes (N: evaluations so far), and otherwise evaluates one agent on one task that the agent
    hasn't run. Both choose by Thompson sampling from Beta(t (1 + successes), t (1 + failures)), with t = budget /
    remaining budget: expansion counts an agent's whole clade, among agents that solved something; evaluation counts the
    agent alone. The result is the agent with the highest 1st percentile of Beta(1 + successes, 1 + failures)
    (epsilon = 1, read as per cent). The first agent has run all tasks. 20 evaluations are drawn together, as by its 20
    workers (`config.yaml`), after 5 expansions (`hgm.py`). The repository switches t off; the paper's experiments use
    it.

    With `repeats`, agents that have run all tasks may run them again (not in HGM): if budget / tasks is far above the
    paper's 13, no agent's evidence would ever grow beyond one pass. Without, it expands when all agents have run all
    tasks.
    """

    repeats: bool = False

    def __call__(self, world: World) -> CampaignResult:
        tree = Tree(world, generator(world), math.inf if self.repeats else world.tasks)
        with suppress(BudgetSpent):
            for _ in range(FIRST_EXPANSIONS):
                tree.expand()
            while True:
                tree.grow()
        return tree.result()


class Tree:
    """Successes and runs of each node and of its clade, itself included. max_runs: the limit for one node."""

    def __init__(self, world: World, rng: np.random.Generator, max_runs: float) -> None:
        self.world, self.rng, self.max_runs = world, rng, max_runs
        room = world.budget // world.tasks + int(world.budget**ALPHA) + FIRST_EXPANSIONS + 8
        self.own, self.clade = np.zeros((2, room)), np.zeros((2, room))
        self.belief = np.full(room, -1.0)
        self.nodes: list[Scaffold] = []
        self.lines: list[Tasks] = []
        self.orders: list[Tasks] = []
        self.believed: dict[int, Scaffold] = {}
        self._add(world.scaffolds[0], np.array([], np.intp))
        self._record(0, world.run(self.nodes[0], all_tasks(world)))

    def _add(self, agent: Scaffold, ancestors: Tasks) -> None:
        self.lines.append(np.append(ancestors, len(self.nodes)))
        self.orders.append(self.rng.permutation(self.world.tasks))
        self.nodes.append(agent)

    def grow(self) -> None:
        """Make the expansions that are due, then evaluate. Raises BudgetSpent."""
        while (self.world.spent - self.world.tasks) ** ALPHA >= len(self.nodes) - 1:
            self.expand()
        available = np.flatnonzero(self.own[1, : len(self.nodes)] < self.max_runs)
        if not len(available):
            return self.expand()
        for node, times in self._draw_evaluations(available):
            done = int(self.own[1, node])
            chosen = (done + np.arange(min(times, self.max_runs - done), dtype=int)) % self.world.tasks
            self._record(node, self.world.run(self.nodes[node], self.orders[node][chosen]))
        self._note_best()

    def expand(self) -> None:
        """Draw a parent and add a child."""
        solvers = np.flatnonzero(self.own[0, : len(self.nodes)] > 0)
        solvers = solvers if len(solvers) else np.array([0])
        parent = solvers[self._sample(self.clade[:, solvers], 1)[0]]
        self._add(self.world.propose(self.nodes[parent]), self.lines[parent])

    def _draw_evaluations(self, available: Tasks) -> Iterator[tuple[int, int]]:
        """Draw 20 evaluations: (node, number of evaluations)."""
        drawn = available[self._sample(self.own[:, available], EVALUATIONS)]
        nodes, times = np.unique(drawn, return_counts=True)
        return zip(nodes.tolist(), times.tolist(), strict=True)

    def _sample(self, counts: Floats, times: int) -> Tasks:
        """Draw `times` positions by Thompson sampling. counts: successes and runs by candidate."""
        temperature = self.world.budget / max(self.world.budget - self.world.spent, 1)
        high, low = temperature * (1 + counts[0]), temperature * (1 + counts[1] - counts[0])
        return np.asarray(self.rng.beta(high, low, (times, len(high))).argmax(axis=1))

    def _record(self, node: int, rewards: Floats) -> None:
        gained = np.array([rewards.sum(), len(rewards)])
        self.own[:, node] += gained
        self.clade[:, self.lines[node]] += gained[:, None]
        successes, runs = self.own[:, node]
        self.belief[node] = betaincinv(1 + successes, 1 + runs - successes, EPSILON)

    def _note_best(self) -> None:
        if node := int(self.belief.argmax()):
            self.believed.setdefault(node, self.nodes[node])

    def result(self) -> CampaignResult:
        self._note_best()
        node = int(self.belief.argmax())
        successes, runs = self.own[:, node]
        return CampaignResult(self.nodes[node], float(100 * successes / runs), tuple(self.believed.values()))
