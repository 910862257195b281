"""Evolve's own rule, as runs use it: promising patches are stacked, and the stack is kept once surely better."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from evolve.core.attempts import AGAIN, ATTEMPTS_PER_TIP
from evolve.core.gate_config import GateConfig
from evolve.core.records import StackFate
from evolve.gate.plan import PASS_TRIALS, Part, plan
from evolve.gate.race import Challenger, RaceResult, race
from evolve.gate.recheck import MOST_PASSES
from evolve.gate.ruling import Ruling
from evolve.gate.settling import LAST_PASSES
from evolve.gate.stack_rule import StackRule
from gates.greedy import all_tasks, generator
from gates.world import BudgetSpent, CampaignResult, Floats, Scaffold, World

# Of the champion's score: a standard error of 2.5 points at most.
FRESH_TRIALS = 400
# Of tip and champion, once the rounds are over.
LAST_TRIALS = 2 * LAST_PASSES * PASS_TRIALS


@dataclass(frozen=True)
class Ours:
    """Campaigns with `evolve/gate/stack_rule.py`. At the end the champion is scored on `fresh` new passes, paid for."""

    settings: GateConfig = field(default_factory=GateConfig)
    fresh: int = 4

    def __call__(self, world: World) -> CampaignResult:
        budget, tasks = world.budget, all_tasks(world)
        fresh = min(self.fresh * world.tasks, FRESH_TRIALS)
        world.budget = budget - fresh - min(LAST_TRIALS, budget // 10)
        search = Search(self.settings, world)
        with suppress(BudgetSpent):
            while True:
                search.play_round()
        world.budget = budget - fresh
        with suppress(BudgetSpent):
            search.settle()
            while True:
                search.play_round()
        world.budget = budget
        first, shuffled = _first_attempt(len(world.scaffolds)), generator(world).permutation(tasks)
        passes, rest = divmod(fresh, world.tasks)
        chosen = [*([tasks] * passes), *([shuffled[:rest]] if rest else [])]
        runs = [world.run(search.champion, some, first + number) for number, some in enumerate(chosen)]
        reported = np.mean(np.concatenate(runs))
        kept, replaced = tuple(search.kept), tuple(search.replaced)
        return CampaignResult(search.champion, float(100 * reported), kept, replaced, search.promised)


class Search:
    """A campaign in progress.

    line: the scaffolds from champion to tip; replaced: the champion before each of `kept`; promised: the sum of their
    doubts.
    """

    def __init__(self, settings: GateConfig, world: World) -> None:
        self.world, self.passes = world, max(settings.passes)
        self.line = [world.scaffolds[0]]
        self.waiting: list[Scaffold] = []
        self.kept: list[Scaffold] = []
        self.replaced: list[Scaffold] = []
        self.promised = 0.0
        self.epoch = world.epoch
        train = generator(world).permutation(np.flatnonzero(~world.validation)).tolist()
        validation = np.flatnonzero(world.validation).tolist()
        again = validation if settings.jump else ()
        first = train[: len(train) // 2]
        stages = plan(first, train, validation, settings.passes, again, settings.stage_trials)
        self.rule = StackRule.begin(settings, stages, world.seed)

    @property
    def champion(self) -> Scaffold:
        return self.line[0]

    @property
    def tip(self) -> Scaffold:
        return self.line[-1]

    def play_round(self) -> None:
        """Play a race of `settings.race` patches; promising losers of earlier races are merged into the tip first."""
        if self.rule.wants_comparison():
            self._compare()
        self._measure_tip()
        room = self.rule.settings.race
        merged = [self.world.merge(self.tip, patch) for patch in self.waiting[:room]]
        patches = merged + [self.world.propose(self.tip) for _ in range(room - len(merged))]
        raced = self._race(patches)
        self.waiting = self.waiting[room:] + [patches[place] for place in raced.waiting]
        self._settle(patches[raced.winner], raced.rulings[raced.winner])

    def settle(self) -> None:
        """Measure tip and champion side by side until it is decided what becomes of the stack, if that can be."""
        for _ in range(LAST_PASSES):
            while (ruling := self.rule.ruling_on_stack()).left:
                self._settle(self.tip, ruling)
            if not self.rule.stacked or ruling.fate is not StackFate.OPEN:
                break
            self._compare()
        if self.rule.stacked:
            self._settle(self.tip, self.rule.ruling_on_stack())

    def _compare(self) -> None:
        """Run a pass of tip and champion side by side; one in which a new epoch begins counts for nothing."""
        parts = self.rule.next_tip_parts()
        champion, tip = self._rewards(self.champion, parts), self._rewards(self.tip, parts)
        if not self._notice_epoch():
            self.rule = self.rule.with_tip_trials(tip).with_champion_trials(champion)

    def _settle(self, patch: Scaffold, ruling: Ruling) -> None:
        assert isinstance(ruling.rule, StackRule)
        self.rule = ruling.rule
        if ruling.taken:
            self.line = [*self.line, patch]
        if ruling.fate is StackFate.PROMOTED:
            self.replaced.append(self.champion)
            self.line = [self.tip]
            self.kept.append(self.champion)
            self.promised += ruling.assessment.doubt
        elif ruling.fate is StackFate.GIVEN_UP:
            self.line = self.line[: ruling.left + 1]

    def _race(self, patches: list[Scaffold]) -> RaceResult:
        rewards = np.full((len(patches), self.passes, self.world.tasks), np.nan)
        fresh = np.full((len(patches), MOST_PASSES, self.world.tasks), np.nan)
        epoch = self.epoch
        while True:
            if epoch != self.epoch:
                rewards[:], fresh[:], epoch = np.nan, np.nan, self.epoch
                self._measure_tip()
            raced = race(self.rule, _field(rewards, fresh))
            if isinstance(raced, RaceResult):
                return raced
            if raced.part is None or raced.of_tip:
                self._run_tip(self.rule.next_tip_parts() if raced.part is None else (raced.part,))
                continue
            tasks, attempt = np.array(raced.part.tasks), raced.part.attempt
            known = fresh if raced.part.again else rewards
            for place in raced.places:
                if len(lacking := tasks[np.isnan(known[place, attempt, tasks])]):
                    own = _first_attempt(patches[place].number) + AGAIN
                    first = own if raced.part.again else self._first
                    known[place, attempt, lacking] = self.world.run(patches[place], lacking, first + attempt)
            self._notice_epoch()

    def _measure_tip(self) -> None:
        while self.rule.tip_needs_trials():
            self._run_tip(self.rule.next_tip_parts())

    @property
    def _first(self) -> int:
        """The attempt on which the tip and its challengers run first."""
        return _first_attempt(self.tip.number) + self.rule.seeds.first

    def _notice_epoch(self) -> bool:
        """Whether the answers show something new since the last look; then the rule begins a new epoch."""
        if self.world.epoch == self.epoch:
            return False
        self.epoch, self.rule = self.world.epoch, self.rule.in_new_epoch()
        return True

    def _rewards(self, scaffold: Scaffold, parts: Sequence[Part]) -> Floats:
        """The rewards of a scaffold that runs these parts on the tip's attempts."""
        rewards = np.full((max(part.attempt for part in parts) + 1, self.world.tasks), np.nan)
        for part in parts:
            tasks, attempt = np.array(part.tasks), self._first + part.attempt
            rewards[part.attempt, tasks] = self.world.run(scaffold, tasks, attempt)
        return rewards

    def _run_tip(self, parts: Sequence[Part]) -> None:
        rewards = self._rewards(self.tip, parts)
        if not self._notice_epoch():
            self.rule = self.rule.with_tip_trials(rewards)


def _field(rewards: Floats, fresh: Floats) -> list[Challenger]:
    return [Challenger(rows, fresh=own) for rows, own in zip(rewards, fresh, strict=True)]


def _first_attempt(reign: int) -> int:
    """The first attempt of a scaffold's reign as tip."""
    return reign * ATTEMPTS_PER_TIP
