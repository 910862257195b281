"""SICA and the Darwin Goedel Machine: measured agents stay in an archive, from which parents are chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from evolve.gate.select import archive_shares
from gates.greedy import Best, all_tasks, generator
from gates.world import BudgetSpent, CampaignResult, Floats, Scaffold, World

SICA_Z = 1.96

GENERATION = 2
FIRST_STAGE = 10
SECOND_STAGE_SHARE = 0.4


def sica(world: World) -> CampaignResult:
    """A Self-Improving Coding Agent (Robeyns et al. 2025, arXiv 2504.15228; repository self_improving_coding_agent).

    Each agent runs the benchmark once. The next one derives from the latest agent whose mean isn't below the lower end
    of the best one's 95 % interval, mean - 1.96 s / sqrt(n) (`runner.py` select_base_agent, `archive_analysis.py`).
    The result is the agent with the highest mean. Simplified: the utility is the score, without time and money.
    """
    agents, rewards = [world.scaffolds[0]], [world.run(world.scaffolds[0], all_tasks(world))]
    best = Best(agents[0], _points(rewards[0]))
    with suppress(BudgetSpent):
        while True:
            child = world.propose(agents[sica_base(rewards)])
            rewards.append(world.run(child, all_tasks(world)))
            agents.append(child)
            best.offer(child, _points(rewards[-1]))
    return best.result()


def sica_base(rewards: Sequence[Floats]) -> int:
    """The index of the agent to improve. rewards: by agent, oldest first."""
    means = np.mean(rewards, axis=1)
    top = int(means.argmax())
    lower = means[top] - SICA_Z * rewards[top].std(ddof=1) / math.sqrt(len(rewards[top]))
    return int(np.flatnonzero(means >= lower)[-1])


def dgm(world: World) -> CampaignResult:
    """Darwin Goedel Machine (Zhang et al. 2025, arXiv 2505.22954, parent selection; repository jennyzzt/dgm).

    A generation is two children; a parent's weight is sigmoid(10 (score - 0.5)) / (1 + its children in the archive)
    (`DGM_outer.py` choose_selfimproves). A child runs ten fixed tasks, and the others if it solves at least 40 % of
    them (`self_improve_step.py`). Every agent that solves a task stays ("keep_all"); the highest score wins.
    Simplified: two stages, as with Polyglot, without the third one for the two best on SWE-bench.
    """
    archive = Archive(world, generator(world))
    with suppress(BudgetSpent):
        while True:
            for parent in archive.parents():
                archive.add(world.propose(archive.agents[parent]), parent)
    return archive.best.result()


@dataclass
class Archive:
    """The archive of DGM. scores: shares of the tasks run; children: how many of each agent's are in the archive."""

    world: World
    rng: np.random.Generator
    agents: list[Scaffold] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    children: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        order = self.rng.permutation(self.world.tasks)
        self._first, self._others = order[:FIRST_STAGE], order[FIRST_STAGE:]
        seed = self.world.scaffolds[0]
        score = float(self.world.run(seed, order).mean())
        self._keep(seed, score)
        self.best = Best(seed, 100 * score)

    def parents(self) -> list[int]:
        """Draw the parents of one generation, with replacement, as indices."""
        shares = archive_shares(np.array(self.scores), np.array(self.children))
        return [int(n) for n in self.rng.choice(len(shares), GENERATION, p=shares)]

    def add(self, child: Scaffold, parent: int) -> None:
        """Measure a child, and keep it if it solves anything. Raises BudgetSpent."""
        rewards = self.world.run(child, self._first)
        if rewards.mean() >= SECOND_STAGE_SHARE:
            rewards = np.concatenate([rewards, self.world.run(child, self._others)])
        if rewards.any():
            self.children[parent] += 1
            self._keep(child, float(rewards.mean()))
            self.best.offer(child, _points(rewards))

    def _keep(self, agent: Scaffold, score: float) -> None:
        self.agents.append(agent)
        self.scores.append(score)
        self.children.append(0)


def _points(rewards: Floats) -> float:
    return float(100 * rewards.mean())
