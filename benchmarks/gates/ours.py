"""Evolve's own rule, as runs use it: promising patches are stacked, and the stack is kept once surely better."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from evolve.core.config import GateConfig
from evolve.core.records import StackFate
from evolve.gate.attempts import AGAIN, ATTEMPTS_PER_TIP
from evolve.gate.plan import plan
from evolve.gate.race import Challenger, ChallengerNeeds, RaceResult, race
from evolve.gate.recheck import MOST_PASSES
from evolve.gate.ruling import Ruling
from evolve.gate.stack_rule import StackRule
from gates.greedy import all_tasks, generator
from gates.world import BudgetSpent, CampaignResult, Floats, Scaffold, World


@dataclass(frozen=True)
class Ours:
    """Campaigns with `evolve/gate/stack_rule.py`. At the end the champion is scored on `fresh` new passes, paid for."""

    settings: GateConfig = field(default_factory=GateConfig)
    fresh: int = 4

    def __call__(self, world: World) -> CampaignResult:
        budget, tasks = world.budget, all_tasks(world)
        world.budget = budget - self.fresh * world.tasks
        search = Search(self.settings, world)
        with suppress(BudgetSpent):
            while True:
                search.play_round()
        world.budget = budget
        reported = np.mean(
            [
                world.run(search.champion, tasks, _first_attempt(len(world.scaffolds)) + number).mean()
                for number in range(self.fresh)
            ]
        )
        kept, replaced = tuple(search.kept), tuple(search.replaced)
        return CampaignResult(search.champion, float(100 * reported), kept, replaced, search.promised)


class Search:
    """A campaign in progress. replaced: the champion before each of `kept`; promised: the sum of their doubts."""

    def __init__(self, settings: GateConfig, world: World) -> None:
        self.world, self.passes = world, max(settings.passes)
        self.champion = self.tip = world.scaffolds[0]
        self.waiting: list[Scaffold] = []
        self.kept: list[Scaffold] = []
        self.replaced: list[Scaffold] = []
        self.promised = 0.0
        train = generator(world).permutation(np.flatnonzero(~world.validation)).tolist()
        validation = np.flatnonzero(world.validation).tolist()
        again = validation if settings.jump else ()
        stages = plan(train[: len(train) // 2], train, validation, settings.passes, again)
        self.line = StackRule.begin(settings, stages)

    def play_round(self) -> None:
        """Play a race of `settings.race` patches; promising losers of earlier races are merged into the tip first."""
        while self.line.tip_needs_trials():
            self._run_tip()
        room = self.line.settings.race
        merged = [self.world.merge(self.tip, patch) for patch in self.waiting[:room]]
        patches = merged + [self.world.propose(self.tip) for _ in range(room - len(merged))]
        raced = self._race(patches)
        self.waiting = self.waiting[room:] + [patches[place] for place in raced.waiting]
        self._settle(patches[raced.winner], raced.rulings[raced.winner])

    def _settle(self, patch: Scaffold, ruling: Ruling) -> None:
        assert isinstance(ruling.rule, StackRule)
        self.line = ruling.rule
        if ruling.taken:
            self.tip = patch
        if ruling.fate is StackFate.PROMOTED:
            self.replaced.append(self.champion)
            self.champion = self.tip
            self.kept.append(self.champion)
            self.promised += ruling.assessment.doubt
        elif ruling.fate is StackFate.GIVEN_UP:
            self.tip = self.champion

    def _race(self, patches: list[Scaffold]) -> RaceResult:
        rewards = np.full((len(patches), self.passes, self.world.tasks), np.nan)
        fresh = np.full((len(patches), MOST_PASSES, self.world.tasks), np.nan)
        while isinstance(raced := race(self.line, _field(rewards, fresh)), ChallengerNeeds):
            if raced.part is None:
                self._run_tip()
                continue
            tasks, attempt = np.array(raced.part.tasks), raced.part.attempt
            known = fresh if raced.part.again else rewards
            for place in raced.places:
                if np.isnan(known[place, attempt, tasks]).any():
                    own = _first_attempt(patches[place].number) + AGAIN
                    first = own if raced.part.again else _first_attempt(self.tip.number)
                    known[place, attempt, tasks] = self.world.run(patches[place], tasks, first + attempt)
        return raced

    def _run_tip(self) -> None:
        self.line = self.line.with_tip_pass(
            self.world.run(self.tip, all_tasks(self.world), _first_attempt(self.tip.number) + len(self.line.own))
        )


def _field(rewards: Floats, fresh: Floats) -> list[Challenger]:
    return [Challenger(rows, fresh=own) for rows, own in zip(rewards, fresh, strict=True)]


def _first_attempt(reign: int) -> int:
    """The first attempt of a scaffold's reign as tip."""
    return reign * ATTEMPTS_PER_TIP
