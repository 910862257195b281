"""The rule itself, over arrays: what is known of the line of scaffolds that a run builds, and what follows from it.

Rounds start from the *tip*: the champion and the patches stacked on it, each taken on weak evidence. The tip becomes
champion once all that is stacked is worse with a small probability only; if it is probably worse, it is given up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from evolve.core.config import GateConfig
from evolve.core.records import StackFate
from evolve.gate.plan import SuitePlan
from evolve.gate.prior import Floats, Level, Score, Tried, first_prior, learned
from evolve.gate.ruling import Assessment, NeedPart, Ruling
from evolve.gate.seed_history import SeedHistory
from evolve.gate.stages import Stage, stages
from evolve.gate.task_difficulty import TaskDifficulty

HARM = -0.01
ALL_OF_TRAIN = 1
VAGUE = Level(0.5, 10.0)
REMEMBERED = 400
SHARED_LUCK_MATTERS = 0.3
MOST_SHARED = 0.98
FIRST_PAIRS = 40.0


@dataclass(frozen=True)
class StackRule:
    """All that the rule knows, after some rounds. A value: the same trials in the same order give the same one.

    `reign`: what was seen on the seeds of the tip; `held`: of the champion, while another is the tip. `luck`: sums over
    pairs of trials on a shared seed, of the product and of the square of their residuals.
    """

    settings: GateConfig
    plan: SuitePlan
    tally: TaskDifficulty
    reign: SeedHistory
    held: SeedHistory
    level: Level = VAGUE
    prior: Floats = field(default_factory=first_prior)
    tried: tuple[Tried, ...] = ()
    learn_at: int = 4
    luck: tuple[float, float] = (0.0, 0.0)
    stacked: int = 0
    tip_trials: int = 0
    patch_trials: int = 0

    @classmethod
    def begin(cls, settings: GateConfig, plan: SuitePlan) -> StackRule:
        reign = SeedHistory.begin(settings.most_passes, plan.count)
        return cls(settings, plan, TaskDifficulty.empty(plan.count), reign, reign)

    @property
    def own(self) -> tuple[Floats, ...]:
        return self.reign.own

    @property
    def shared_luck(self) -> float:
        """Correlation of two scaffolds' rewards on a shared seed, given the task; at first taken as none."""
        product, square = self.luck
        return min(max(product / (square + FIRST_PAIRS * self.tally.spread**2), 0.0), MOST_SHARED)

    def tip_is_vague(self) -> bool:
        """Whether the tip needs another pass before it is challenged."""
        bound = self.tally.spread**2 / (self.plan.count * self.settings.tip_passes)
        few = self.tip_trials < self.settings.tip_share * self.patch_trials
        fresh = bool(self.own or self.stacked)
        return not fresh or self.level.variance > bound or few

    def tip_measured(self, rewards: Floats) -> StackRule:
        """After one more pass of the tip over all tasks."""
        known = replace(self, tally=self.tally.with_(rewards[None]), tip_trials=self.tip_trials + self.plan.count)
        seen = self.reign.as_challenger(rewards)
        alone = Score(float(rewards.mean()), known.tally.spread**2 / self.plan.count)
        score = alone if np.isnan(seen).all() else known.score(seen)
        return replace(known, reign=self.reign.measured(rewards), level=self.level.measured(score))

    def judge(self, new: Floats, saving: float = 0.0, idle: bool = False) -> NeedPart | Ruling:
        """`new`: the challenger's rewards, passes x tasks, NaN where not run yet.

        `saving`: the share of the tip's cost that it saves; breaks ties, where no pair of trials differs. `idle`:
        whether all of these trials went exactly as the tip's did on the same seeds, not in their rewards alone.
        """
        for number, stage in enumerate(self.stages()):
            if asked := self.lacks(number, new):
                return asked
            seen = self._up_to(number, new)
            effect = self.level.effect(self.score(seen)).effect
            tie = saving >= self.settings.tie_saving and self._ties(seen)
            if tie and number >= self.plan.screens:
                return self._taken(seen, "as good, and cheaper")
            if idle and not tie and number >= ALL_OF_TRAIN:
                return self._idle(seen)
            if effect < stage.drop and not tie:
                return self._dropped(seen, "not worth more trials")
            if effect >= stage.take:
                if self._worse_on_validation(seen):
                    return self._dropped(seen, "worse on validation")
                return self._taken(seen, "likely to be worth it")
        return self._dropped(seen, "not enough after all trials")

    def lacks(self, stage: int, new: Floats) -> NeedPart | None:
        """What is needed before the challenger can be judged after this stage, those before it being there."""
        for part in self.plan.stages[stage]:
            if self.shared_luck > SHARED_LUCK_MATTERS and part.attempt >= len(self.own):
                return NeedPart(None)
            if np.isnan(new[part.attempt, list(part.tasks)]).any():
                return NeedPart(part)
        return None

    def effect(self, stage: int, new: Floats) -> float:
        """The challenger's estimated effect after this stage."""
        return self.level.effect(self.score(self._up_to(stage, new))).effect

    def worth_more(self, stage: int, new: Floats) -> bool:
        """Whether the challenger, by itself, would not be dropped after this stage."""
        return self.effect(stage, new) >= self.stages()[stage].drop

    def passed_over(self, stage: int, new: Floats, why: str) -> tuple[Ruling, StackRule]:
        """Dropped after this stage for another's sake; what is stacked is settled when that one is judged.

        Returns the ruling, and the line after it.
        """
        seen = self._up_to(stage, new)
        score = self.score(seen)
        after, found = self._without(seen, score), self.level.effect(score)
        finding = Assessment(found.effect, found.error, after.level.behind(HARM), int((~np.isnan(seen)).sum()))
        return Ruling(False, StackFate.OPEN, finding, after, why), after

    def stages(self) -> tuple[Stage, ...]:
        """Of the present belief; rounded, so that few are ever solved."""
        shared = float(self.reign.shares(self.shared_luck)[0].mean())
        spread = max(round(self.tally.spread * math.sqrt(1 - self.shared_luck * shared) * 20), 1) / 20
        variance = 1.4 ** round(math.log((1 - shared) ** 2 * self.level.variance + 1e-9, 1.4))
        weights = tuple((np.round(self.prior * 200) / 200).tolist())
        return stages(weights, spread, variance, self.plan.trials, self.plan.screens)

    def _up_to(self, stage: int, new: Floats) -> Floats:
        """The challenger's rewards that belong to the stages until this one."""
        seen = np.full_like(new, np.nan)
        for parts in self.plan.stages[: stage + 1]:
            for part in parts:
                seen[part.attempt, list(part.tasks)] = new[part.attempt, list(part.tasks)]
        return seen

    def score(self, seen: Floats) -> Score:
        """A scaffold's residuals against the tasks' rates, less the luck shared with all that ran on its seeds."""
        known, count = ~np.isnan(seen), int((~np.isnan(seen)).sum())
        shares = np.where(known, self.reign.shares(self.shared_luck), 0.0)
        level = self.tally.rates - self.tally.rates.mean()
        values = np.where(known, seen - level - shares * (self.reign.means() - level), 0.0)
        left = np.where(known, 1 - self.shared_luck * shares, 0.0)
        error2 = self.tally.spread**2 * float(left.sum()) / count**2
        return Score(float(values.sum()) / count, error2, 1 - float(shares.sum()) / count)

    def _ties(self, seen: Floats) -> bool:
        """Whether each of its trials has one of the tip on the same seed, and all are equal."""
        known = ~np.isnan(seen)
        passes = min(len(self.own), len(seen))
        if known[passes:].any():
            return False
        own = np.array(self.own).reshape(-1, self.plan.count)[:passes]
        return bool((own == seen[:passes])[known[:passes]].all())

    def _worse_on_validation(self, seen: Floats) -> bool:
        """Whether validation alone speaks against the challenger by more than `validation_veto` standard errors."""
        chosen = list(self.plan.validation)
        if not chosen:
            return False
        known, rates = ~np.isnan(seen[:, chosen]), self.tally.rates
        if not known.any():
            return False
        gain = (seen[:, chosen] - rates[chosen])[known].mean() + rates.mean() - self.level.mean
        error2 = self.tally.spread**2 / known.sum() + self.level.variance
        return bool(gain < -self.settings.validation_veto * math.sqrt(error2))

    def _idle(self, seen: Floats) -> Ruling:
        """Dropped: of n trials none went otherwise. Nothing is learned of the tip, whose trials these are again.

        An effect that was never seen in n trials has about 1 / n as its scale (95 % limit 3 / n: Hanley and
        Lippman-Hand 1983, JAMA 249:1743).
        """
        count = int((~np.isnan(seen)).sum())
        tried = (*self.tried, Tried(0.0, 1 / count))[-REMEMBERED:]
        after = replace(self, tried=tried, luck=self._luck_seen(seen), patch_trials=self.patch_trials + count)
        finding = Assessment(0.0, 1 / count, self.level.behind(HARM), count)
        return Ruling(False, StackFate.OPEN, finding, after._learned(), "every trial went as the tip's did")

    def _dropped(self, seen: Floats, why: str) -> Ruling:
        score = self.score(seen)
        return self._settled(seen, score, self._without(seen, score), taken=False, why=why)

    def _without(self, seen: Floats, score: Score) -> StackRule:
        """After a challenger that is dropped. One that earns nothing at all is broken, and tells nothing of the tip."""
        after = self._noted(seen, score, self.level)
        if not np.nansum(seen):
            return after
        level, _ = self.level.challenged(score, self.prior)
        return replace(after, level=level, reign=self.reign.met(seen, self.level.expected(score, self.prior)))

    def _taken(self, seen: Floats, why: str) -> Ruling:
        score = self.score(seen)
        _, level = self.level.challenged(score, self.prior)
        after = replace(
            self._noted(seen, score, level),
            tally=self.tally.with_(seen),
            reign=self.reign.anew(),
            held=self.held if self.stacked else self.reign,
            stacked=self.stacked + 1,
        )
        return self._settled(seen, score, after, taken=True, why=why)

    def _settled(self, seen: Floats, score: Score, after: StackRule, taken: bool, why: str) -> Ruling:
        """The line once it is decided what becomes of the stack."""
        level, found = after.level, self.level.effect(score)
        finding = Assessment(found.effect, found.error, level.behind(HARM), int((~np.isnan(seen)).sum()))
        if after.stacked and finding.doubt <= self.settings.risk:
            after = replace(after, level=level.promoted(), stacked=0)
            return Ruling(taken, StackFate.PROMOTED, finding, after, why)
        if after.stacked and level.behind(0.0) >= self.settings.give_up:
            after = replace(after, level=level.of_champion(), reign=after.held, stacked=0)
            return Ruling(False, StackFate.GIVEN_UP, finding, after, why)
        return Ruling(taken, StackFate.OPEN, finding, after, why)

    def _noted(self, seen: Floats, score: Score, level: Level) -> StackRule:
        """The challenger remembered: for the prior, and for how much luck is shared."""
        tried = (*self.tried, self.level.effect(score))[-REMEMBERED:]
        luck = self._luck_seen(seen)
        after = replace(
            self, level=level, tried=tried, luck=luck, patch_trials=self.patch_trials + int((~np.isnan(seen)).sum())
        )
        return after._learned()

    def _luck_seen(self, seen: Floats) -> tuple[float, float]:
        """The sums with this challenger's pairs. The tip's own deviation is from its other passes on the same task,

        so that the task itself, and the error of its rate, drop out.
        """
        passes = len(self.own)
        if passes < 2:
            return self.luck
        own = np.array(self.own)
        deviation = (own - (own.sum(axis=0) - own) / (passes - 1))[: len(seen)]
        new = seen[: len(deviation)] - self.tally.rates
        both = ~np.isnan(new)
        product = np.where(both, new * deviation, 0.0).sum()
        square = np.where(both, deviation**2, 0.0).sum() * (passes - 1) / passes
        return self.luck[0] + float(product), self.luck[1] + float(square)

    def _learned(self) -> StackRule:
        if len(self.tried) < self.learn_at:
            return self
        later = max(self.learn_at + 2, int(1.5 * self.learn_at))
        return replace(self, learn_at=later, prior=learned(self.tried, first_prior(), self.settings.worth))
