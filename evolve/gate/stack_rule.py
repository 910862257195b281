"""The stack rule, over arrays: the evidence on the scaffolds that a run builds, and the decisions that follow.

Rounds start from the *tip*: the champion and the patches stacked on it, each taken on weak evidence. The tip becomes
champion once all that is stacked is worse with a small probability only; if it is probably worse, it is given up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from evolve.core.config import GateConfig
from evolve.core.records import StackFate
from evolve.gate.generalise import Generalisation, Support, support
from evolve.gate.plan import Part, SuitePlan
from evolve.gate.prior import EstimatedEffect, Floats, Level, Score, first_prior, fit_prior
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
# The probability that the tip is worse on validation by over a point, up to which it may become champion.
RISK_ON_VALIDATION = 0.2
WORTH_IT = "likely to be worth it"
TRAIN_ONLY = "helps only on train tasks"
WAITS = "the stack waits for support by validation"


@dataclass(frozen=True)
class StackRule:
    """All evidence after some rounds. A value: the same trials in the same order give the same one.

    `seeds`: results on the tip's seeds; `champion_seeds`: on the champion's, while another scaffold is the tip. `luck`:
    sums over pairs of trials on a shared seed, of the product and of the square of their residuals. `splits`: train and
    validation apart; None if that is switched off, or the suite lacks one of them.
    """

    settings: GateConfig
    plan: SuitePlan
    difficulty: TaskDifficulty
    seeds: SeedHistory
    champion_seeds: SeedHistory
    level: Level = VAGUE
    prior: Floats = field(default_factory=first_prior)
    tried: tuple[EstimatedEffect, ...] = ()
    learn_at: int = 4
    luck: tuple[float, float] = (0.0, 0.0)
    stacked: int = 0
    tip_trials: int = 0
    patch_trials: int = 0
    splits: Generalisation | None = None

    @classmethod
    def begin(cls, settings: GateConfig, plan: SuitePlan) -> StackRule:
        seeds = SeedHistory.begin(settings.most_passes, plan.count)
        splits = Generalisation.begin(len(plan.train), len(plan.validation)) if settings.generalise else None
        return cls(settings, plan, TaskDifficulty.empty(plan.count), seeds, seeds, splits=splits)

    @property
    def own(self) -> tuple[Floats, ...]:
        return self.seeds.own

    @property
    def shared_luck(self) -> float:
        """Correlation of two scaffolds' rewards on a shared seed, given the task; at first taken as none."""
        product, square = self.luck
        return min(max(product / (square + FIRST_PAIRS * self.difficulty.spread**2), 0.0), MOST_SHARED)

    def tip_needs_trials(self) -> bool:
        """Whether the tip needs another pass before it is challenged."""
        bound = self.difficulty.spread**2 / (self.plan.count * self.settings.tip_passes)
        few = self.tip_trials < self.settings.tip_share * self.patch_trials
        fresh = bool(self.own or self.stacked)
        return not fresh or self.level.variance > bound or few

    def with_tip_pass(self, rewards: Floats) -> StackRule:
        """The rule after one more pass of the tip over all tasks."""
        known = replace(
            self, difficulty=self.difficulty.with_rewards(rewards[None]), tip_trials=self.tip_trials + self.plan.count
        )
        seen = self.seeds.as_challenger(rewards)
        first = np.isnan(seen).all()
        score, *apart = (
            known._score_alone(rewards, tasks) if first else known.score(seen, tasks)
            for tasks in (self.plan.everything, self.plan.train, self.plan.validation)
            if tasks
        )
        return replace(
            known,
            seeds=self.seeds.with_tip_pass(rewards),
            level=self.level.after_tip_trials(score),
            splits=self.splits and self.splits.after_tip_trials(apart),
        )

    def _score_alone(self, rewards: Floats, tasks: Sequence[int]) -> Score:
        """The score of one pass over these tasks that shares its seeds with nothing."""
        return Score(float(rewards[list(tasks)].mean()), self.difficulty.spread**2 / len(tasks))

    def judge(self, new: Floats, saving: float = 0.0, idle: bool = False) -> NeedPart | Ruling:
        """Judge a challenger.

        Args:
            new: Its rewards, passes x tasks, NaN where not run yet.
            saving: The share of the tip's cost that it saves; it breaks ties, where no pair of trials differs.
            idle: Whether all of these trials ended exactly as the tip's did on the same seeds, in all respects.
        """
        for number, stage in enumerate(self.stages()):
            if needed := self.missing_part(number, new):
                return needed
            seen = self._up_to(number, new)
            effect = self.level.effect(self.score(seen)).effect
            tie = saving >= self.settings.tie_saving and self._ties(seen)
            if tie and number >= self.plan.screens:
                return self._take(seen, "as good, and cheaper")
            if idle and not tie and number >= ALL_OF_TRAIN:
                return self._drop_idle(seen)
            if effect < stage.drop and not tie:
                return self._drop(seen, "not worth more trials")
            if effect >= stage.take:
                if self._worse_on_validation(seen):
                    return self._drop(seen, "worse on validation")
                return self._take_if_supported(seen, new)
        return self._drop(seen, "not enough after all trials")

    def _take_if_supported(self, seen: Floats, new: Floats) -> NeedPart | Ruling:
        """Take a challenger if validation by itself supports it; while that is unclear, ask for more trials there."""
        if self.splits is None:
            return self._take(seen, WORTH_IT)
        chosen, most = list(self.plan.validation), self.settings.most_passes
        attempt, seen_apart = int((~np.isnan(seen[:, chosen])).any(axis=1).sum()), seen.copy()
        while (answer := self._support(seen_apart, last=attempt >= most)) is Support.UNCLEAR:
            if np.isnan(new[attempt, chosen]).any():
                return NeedPart(Part(attempt, self.plan.validation))
            seen_apart[attempt, chosen] = new[attempt, chosen]
            attempt += 1
        if answer is Support.NO:
            return self._drop(seen, self._why_unsupported(seen_apart), seen_apart)
        return self._take(seen, WORTH_IT, seen_apart)

    def _support(self, seen: Floats, last: bool) -> Support:
        assert self.splits is not None
        return support(self.splits.evidence(self._split_scores(seen), self.prior), last)

    def _why_unsupported(self, seen: Floats) -> str:
        assert self.splits is not None
        train, validation = self.splits.raw_effects(self._split_scores(seen))
        return f"{TRAIN_ONLY} (train {100 * train:+.1f}, validation {100 * validation:+.1f} points)"

    def _split_scores(self, seen: Floats) -> list[Score]:
        """A scaffold's scores on train and validation; on train alone if it never ran on validation."""
        apart = (self.plan.train, self.plan.validation)
        return [self.score(seen, tasks) for tasks in apart if not np.isnan(seen[:, list(tasks)]).all()]

    def missing_part(self, stage: int, new: Floats) -> NeedPart | None:
        """The first part that is missing before the challenger can be judged after this stage."""
        for part in self.plan.stages[stage]:
            if self.shared_luck > SHARED_LUCK_MATTERS and part.attempt >= len(self.own):
                return NeedPart(None)
            if np.isnan(new[part.attempt, list(part.tasks)]).any():
                return NeedPart(part)
        return None

    def effect(self, stage: int, new: Floats) -> float:
        """The challenger's estimated effect after this stage."""
        return self.level.effect(self.score(self._up_to(stage, new))).effect

    def deserves_more_trials(self, stage: int, new: Floats) -> bool:
        """Whether the challenger, judged alone, would get more trials after this stage."""
        return self.effect(stage, new) >= self.stages()[stage].drop

    def drop_behind(self, stage: int, new: Floats, why: str) -> tuple[Ruling, StackRule]:
        """Drop a challenger that fell behind another one; the stack's fate is decided when that one is judged.

        Returns:
            The ruling, and the rule after it.
        """
        seen = self._up_to(stage, new)
        score = self.score(seen)
        after, estimate = self._after_drop(seen, score, seen), self.level.effect(score)
        assessment = Assessment(estimate.effect, estimate.error, after.level.behind(HARM), int((~np.isnan(seen)).sum()))
        return Ruling(False, StackFate.OPEN, assessment, after, why), after

    def stages(self) -> tuple[Stage, ...]:
        """The thresholds for the present belief; rounded, so that few are ever computed."""
        shared = float(self.seeds.shares(self.shared_luck)[0].mean())
        spread = max(round(self.difficulty.spread * math.sqrt(1 - self.shared_luck * shared) * 20), 1) / 20
        variance = 1.4 ** round(math.log((1 - shared) ** 2 * self.level.variance + 1e-9, 1.4))
        weights = tuple((np.round(self.prior * 200) / 200).tolist())
        return stages(weights, spread, variance, self.plan.trials, self.plan.screens)

    def _up_to(self, stage: int, new: Floats) -> Floats:
        """The challenger's rewards of the stages up to this one."""
        seen = np.full_like(new, np.nan)
        for parts in self.plan.stages[: stage + 1]:
            for part in parts:
                seen[part.attempt, list(part.tasks)] = new[part.attempt, list(part.tasks)]
        return seen

    def score(self, seen: Floats, tasks: Sequence[int] | None = None) -> Score:
        """A scaffold's residuals against the tasks' rates, less the luck shared with all that ran on its seeds.

        `tasks`: those that count, and on whose scale the score is; None: all.
        """
        chosen = list(self.plan.everything if tasks is None else tasks)
        known = ~np.isnan(seen) & np.isin(np.arange(self.plan.count), chosen)
        count = int(known.sum())
        shares = np.where(known, self.seeds.shares(self.shared_luck), 0.0)
        level = self.difficulty.rates - self.difficulty.rates[chosen].mean()
        values = np.where(known, seen - level - shares * (self.seeds.means() - level), 0.0)
        left = np.where(known, 1 - self.shared_luck * shares, 0.0)
        error2 = self.difficulty.spread**2 * float(left.sum()) / count**2
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
        known, rates = ~np.isnan(seen[:, chosen]), self.difficulty.rates
        if not known.any():
            return False
        gain = (seen[:, chosen] - rates[chosen])[known].mean() + rates.mean() - self.level.mean
        error2 = self.difficulty.spread**2 / known.sum() + self.level.variance
        return bool(gain < -self.settings.validation_veto * math.sqrt(error2))

    def _drop_idle(self, seen: Floats) -> Ruling:
        """Drop a challenger none of whose n trials differed. They tell nothing new about the tip.

        An effect that was never seen in n trials has about 1 / n as its scale (95 % limit 3 / n: Hanley and
        Lippman-Hand 1983, JAMA 249:1743).
        """
        count = int((~np.isnan(seen)).sum())
        tried = (*self.tried, EstimatedEffect(0.0, 1 / count))[-REMEMBERED:]
        after = replace(self, tried=tried, luck=self._luck_with(seen), patch_trials=self.patch_trials + count)
        assessment = Assessment(0.0, 1 / count, self.level.behind(HARM), count)
        return Ruling(
            False,
            StackFate.OPEN,
            assessment,
            after._with_learned_prior(),
            "every trial ended exactly as without the patch",
        )

    def _drop(self, seen: Floats, why: str, apart: Floats | None = None) -> Ruling:
        """Drop a challenger. `apart`: its trials with those that were asked for on validation alone."""
        score, apart = self.score(seen), seen if apart is None else apart
        return self._settle(apart, score, self._after_drop(seen, score, apart), taken=False, why=why)

    def _after_drop(self, seen: Floats, score: Score, apart: Floats) -> StackRule:
        """The rule after a dropped challenger. One that earns nothing is broken and tells nothing of the tip."""
        after = self._remember(apart, score, self.level)
        if not np.nansum(seen):
            return after
        level, _ = self.level.after_challenger(score, self.prior)
        return replace(
            after,
            level=level,
            seeds=self.seeds.with_rewards(apart, self.level.expected(score, self.prior)),
            splits=self.splits and self.splits.after_dropped(self._split_scores(apart), self.prior),
        )

    def _take(self, seen: Floats, why: str, apart: Floats | None = None) -> Ruling:
        """Take a challenger. `apart`: as for `_drop`; trials on validation alone are no part of its score."""
        score, apart = self.score(seen), seen if apart is None else apart
        _, level = self.level.after_challenger(score, self.prior)
        after = replace(
            self._remember(apart, score, level),
            difficulty=self.difficulty.with_rewards(apart),
            seeds=self.seeds.for_next_tip(),
            champion_seeds=self.champion_seeds if self.stacked else self.seeds,
            stacked=self.stacked + 1,
            splits=self.splits and self.splits.after_taken(self._split_scores(apart), self.prior),
        )
        return self._settle(apart, score, after, taken=True, why=why)

    def _settle(self, seen: Floats, score: Score, after: StackRule, taken: bool, why: str) -> Ruling:
        """Decide the fate of the stack."""
        level, estimate = after.level, self.level.effect(score)
        trials, lead = int((~np.isnan(seen)).sum()), level.lead if after.stacked else None
        error = math.sqrt(level.lead_variance)
        assessment = Assessment(estimate.effect, estimate.error, level.behind(HARM), trials, lead, error)
        better = bool(after.stacked) and assessment.doubt <= self.settings.risk
        supported = after.splits is None or after.splits.stack_is_supported(HARM, RISK_ON_VALIDATION)
        if better and supported:
            return Ruling(taken, StackFate.PROMOTED, assessment, after._promoted(), why)
        if after.stacked and level.behind(0.0) >= self.settings.give_up:
            return Ruling(False, StackFate.GIVEN_UP, assessment, after._given_up(), why)
        return Ruling(taken, StackFate.OPEN, assessment, after, f"{why}; {WAITS}" if better else why)

    def _promoted(self) -> StackRule:
        splits = self.splits and self.splits.after_promotion()
        return replace(self, level=self.level.as_champion(), stacked=0, splits=splits)

    def _given_up(self) -> StackRule:
        splits = self.splits and self.splits.after_giving_up()
        return replace(self, level=self.level.back_to_champion(), seeds=self.champion_seeds, stacked=0, splits=splits)

    def _remember(self, seen: Floats, score: Score, level: Level) -> StackRule:
        """Remember the challenger, for the prior and for the shared luck."""
        tried = (*self.tried, self.level.effect(score))[-REMEMBERED:]
        luck = self._luck_with(seen)
        after = replace(
            self, level=level, tried=tried, luck=luck, patch_trials=self.patch_trials + int((~np.isnan(seen)).sum())
        )
        return after._with_learned_prior()

    def _luck_with(self, seen: Floats) -> tuple[float, float]:
        """The sums with this challenger's pairs.

        The tip's deviation is from its other passes on the same task, so the task and the error of its rate drop out.
        """
        passes = len(self.own)
        if passes < 2:
            return self.luck
        own = np.array(self.own)
        deviation = (own - (own.sum(axis=0) - own) / (passes - 1))[: len(seen)]
        new = seen[: len(deviation)] - self.difficulty.rates
        both = ~np.isnan(new)
        product = np.where(both, new * deviation, 0.0).sum()
        square = np.where(both, deviation**2, 0.0).sum() * (passes - 1) / passes
        return self.luck[0] + float(product), self.luck[1] + float(square)

    def _with_learned_prior(self) -> StackRule:
        if len(self.tried) < self.learn_at:
            return self
        later = max(self.learn_at + 2, int(1.5 * self.learn_at))
        return replace(self, learn_at=later, prior=fit_prior(self.tried, first_prior(), self.settings.worth))
