"""Our own rule, as a run uses it: patches that look good are stacked, the stack is kept once it is surely better."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from evolve.config import GateConfig
from evolve.gate.attempts import ATTEMPTS_PER_REIGN
from evolve.gate.line import Ask, Line, Ruling
from evolve.gate.plan import plan
from evolve.records import Fate
from gates.greedy import everything, generator
from gates.world import Played, Scaffold, Spent, World


@dataclass(frozen=True)
class Ours:
    """Campaigns by `evolve/gate/line.py`. The champion is scored on `fresh` passes of its own, paid for, at the end."""

    settings: GateConfig = field(default_factory=GateConfig)
    fresh: int = 4

    def __call__(self, world: World) -> Played:
        budget, tasks = world.budget, everything(world)
        world.budget = budget - self.fresh * world.tasks
        search = Search(self.settings, world)
        with suppress(Spent):
            while True:
                search.play_round()
        world.budget = budget
        reported = np.mean(
            [
                world.run(search.champion, tasks, _first(len(world.scaffolds)) + number).mean()
                for number in range(self.fresh)
            ]
        )
        return Played(search.champion, float(100 * reported), tuple(search.kept), tuple(search.replaced))


class Search:
    """A campaign at work. `replaced`: whom each of `kept` followed as champion."""

    def __init__(self, settings: GateConfig, world: World) -> None:
        self.world, self.passes = world, max(settings.passes)
        self.champion = self.tip = world.scaffolds[0]
        self.kept: list[Scaffold] = []
        self.replaced: list[Scaffold] = []
        train = generator(world).permutation(np.flatnonzero(~world.validation)).tolist()
        validation = np.flatnonzero(world.validation).tolist()
        self.line = Line.begin(settings, plan(train[: len(train) // 2], train, validation, settings.passes))

    def play_round(self) -> None:
        while self.line.tip_is_vague():
            self._run_tip()
        patch = self.world.propose(self.tip)
        ruling = self._ruled(patch)
        self.line = ruling.line
        if ruling.taken:
            self.tip = patch
        if ruling.fate is Fate.PROMOTED:
            self.replaced.append(self.champion)
            self.champion = self.tip
            self.kept.append(self.champion)
        elif ruling.fate is Fate.GIVEN_UP:
            self.tip = self.champion

    def _ruled(self, patch: Scaffold) -> Ruling:
        rewards = np.full((self.passes, self.world.tasks), np.nan)
        while isinstance(said := self.line.judge(rewards), Ask):
            if said.part is None:
                self._run_tip()
            else:
                tasks = np.array(said.part.tasks)
                rewards[said.part.attempt, tasks] = self.world.run(
                    patch, tasks, _first(self.tip.number) + said.part.attempt
                )
        return said

    def _run_tip(self) -> None:
        self.line = self.line.tip_measured(
            self.world.run(self.tip, everything(self.world), _first(self.tip.number) + len(self.line.own))
        )


def _first(reign: int) -> int:
    """The first attempt of a scaffold's reign as tip."""
    return reign * ATTEMPTS_PER_REIGN
