"""Play simulated campaigns in which a patch memorises train tasks, with and without the gate's support by validation.

    python benchmarks/memorise.py [--tasks 28,22,14,8] [--harm LOGITS] [--repeated] [--seeds N] [--trials N]

28 train and 16 validation tasks. The fourth patch of a campaign memorises so many train tasks, and shifts validation
by `--harm`; with `--repeated` half of all patches do. The other patches change nothing or harm. Printed: the share of
campaigns whose tip and whose champion hold such a patch, and the champion's mean gain on train and on validation.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from gates.ours import Search
from gates.world import BudgetSpent, Floats, Mix, Scaffold, World

from evolve.core.gate_config import GateConfig

TRAIN, VALIDATION = 28, 16
OTHERS = Mix(null=0.70, harmful=0.25, broken=0.05, helpful=0.0)
MEMORISED = 6.0
FIRST = 4


@dataclass
class MemorisingWorld(World):
    """A world of which some patches memorise `memorised` train tasks. harm: what validation loses then, in logits."""

    tasks: int = TRAIN + VALIDATION
    memorised: int = 8
    harm: float = 0.0
    repeated: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.validation = np.arange(self.tasks) >= TRAIN

    def propose(self, parent: Scaffold) -> Scaffold:
        number = len(self.scaffolds)
        dice = np.random.default_rng([self.seed, 99, number])
        left = np.flatnonzero(~self.validation & (parent.logits < MEMORISED - 1))
        if not len(left) or not (dice.random() < 0.5 if self.repeated else number == FIRST):
            return super().propose(parent)
        logits = parent.logits - self.harm * self.validation
        logits[dice.permutation(left)[: self.memorised]] = MEMORISED
        return self._add(logits, "memorises", parent)


def play(world: MemorisingWorld, settings: GateConfig) -> tuple[bool, bool, float, float]:
    """Whether tip and champion memorise, and the champion's true gain on train and on validation, in points."""
    search = Search(settings, world)
    with suppress(BudgetSpent):
        while True:
            search.play_round()
    gains = _rates(search.champion) - _rates(world.scaffolds[0])
    memorise = [any(one.kind == "memorises" for one in line(world, end)) for end in (search.tip, search.champion)]
    train, validation = (float(100 * gains[part].mean()) for part in (~world.validation, world.validation))
    return memorise[0], memorise[1], train, validation


def line(world: World, scaffold: Scaffold) -> list[Scaffold]:
    """The scaffold and its ancestors."""
    ancestors = [scaffold]
    while ancestors[-1].parent is not None:
        ancestors.append(world.scaffolds[ancestors[-1].parent])
    return ancestors


def _rates(scaffold: Scaffold) -> Floats:
    return np.asarray(1 / (1 + np.exp(-scaffold.logits)))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Memorising patches in simulated campaigns.")
    parser.add_argument("--tasks", default="28,22,14,8", help="train tasks that a patch memorises, comma-separated")
    parser.add_argument("--harm", type=float, default=0.0, help="what validation loses by it, in logits")
    parser.add_argument("--repeated", action="store_true", help="half of all patches memorise")
    parser.add_argument("--seeds", type=int, default=20, help="campaigns of each kind")
    parser.add_argument("--trials", type=int, default=2500, help="trials of a campaign")
    return parser.parse_args(arguments)


def main() -> None:
    given = parse_arguments()
    for memorised in map(int, given.tasks.split(",")):
        for generalise in (False, True):
            results = [
                play(
                    MemorisingWorld(OTHERS, given.trials, seed, TRAIN + VALIDATION, memorised=memorised,
                                    harm=given.harm, repeated=given.repeated),
                    GateConfig(generalise=generalise),
                )
                for seed in range(given.seeds)
            ]  # fmt: skip
            tip, champion, train, validation = np.mean(results, axis=0)
            print(
                f"{memorised} tasks, generalise={generalise}: tip {tip:.2f}, champion {champion:.2f}; "
                f"gain on train {train:.1f}, on validation {validation:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
