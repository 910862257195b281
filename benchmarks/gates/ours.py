"""Our own rule, as a run uses it: patches that look good are stacked, the stack is kept once it is surely better."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from evolve.core.config import GateConfig
from evolve.core.records import StackFate
from evolve.gate.attempts import ATTEMPTS_PER_REIGN
from evolve.gate.plan import plan
from evolve.gate.race import Challenger, ChallengerNeeds, Raced, race
from evolve.gate.ruling import Ruling
from evolve.gate.stack_rule import StackRule
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
        self.waiting: list[Scaffold] = []
        self.kept: list[Scaffold] = []
        self.replaced: list[Scaffold] = []
        train = generator(world).permutation(np.flatnonzero(~world.validation)).tolist()
        validation = np.flatnonzero(world.validation).tolist()
        self.line = StackRule.begin(settings, plan(train[: len(train) // 2], train, validation, settings.passes))

    def play_round(self) -> None:
        """A race of `settings.race` patches; those that fell behind one that was taken are merged into it first."""
        while self.line.tip_is_vague():
            self._run_tip()
        room = self.line.settings.race
        merged = [self.world.merge(self.tip, patch) for patch in self.waiting[:room]]
        patches = merged + [self.world.propose(self.tip) for _ in range(room - len(merged))]
        raced = self._raced(patches)
        self.waiting = self.waiting[room:] + [patches[place] for place in raced.waiting]
        self._settle(patches[raced.winner], raced.rulings[raced.winner])

    def _settle(self, patch: Scaffold, ruling: Ruling) -> None:
        assert isinstance(ruling.line, StackRule)
        self.line = ruling.line
        if ruling.taken:
            self.tip = patch
        if ruling.fate is StackFate.PROMOTED:
            self.replaced.append(self.champion)
            self.champion = self.tip
            self.kept.append(self.champion)
        elif ruling.fate is StackFate.GIVEN_UP:
            self.tip = self.champion

    def _raced(self, patches: list[Scaffold]) -> Raced:
        rewards = np.full((len(patches), self.passes, self.world.tasks), np.nan)
        while isinstance(said := race(self.line, [Challenger(one) for one in rewards]), ChallengerNeeds):
            if said.part is None:
                self._run_tip()
                continue
            tasks, attempt = np.array(said.part.tasks), said.part.attempt
            for place in said.places:
                if np.isnan(rewards[place, attempt, tasks]).any():
                    found = self.world.run(patches[place], tasks, _first(self.tip.number) + attempt)
                    rewards[place, attempt, tasks] = found
        return said

    def _run_tip(self) -> None:
        self.line = self.line.tip_measured(
            self.world.run(self.tip, everything(self.world), _first(self.tip.number) + len(self.line.own))
        )


def _first(reign: int) -> int:
    """The first attempt of a scaffold's reign as tip."""
    return reign * ATTEMPTS_PER_REIGN
