"""The stack rule, over arrays: the evidence on the scaffolds that a run builds, and the decisions that follow.

Rounds start from the *tip*: the champion and the patches stacked on it, each taken on weak evidence. The tip becomes
champion once all that is stacked is worse with a small probability only. If it is probably worse than the champion or a
scaffold between them, rounds go on from the best of these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np

from evolve.core.gate_config import GateConfig
from evolve.core.records import StackFate, stable_hash
from evolve.gate.generalise import Generalisation, Support, support
from evolve.gate.levels import Levels, Score
from evolve.gate.plan import Part, SuitePlan
from evolve.gate.prior import EstimatedEffect, Floats, LearnedPrior, chance_of
from evolve.gate.ruling import Assessment, NeedPart, Ruling
from evolve.gate.seed_history import SeedHistory, padded
from evolve.gate.shared_luck import SharedLuck
from evolve.gate.stages import Stage, stages
from evolve.gate.task_difficulty import FADE_ABOVE, FADE_ABOVE_OF_ALL, TaskDifficulty

HARM = -0.01
VAGUE = Levels.of(0.5, 10.0)
SHARED_LUCK_MATTERS = 0.3
# The probability that the tip is worse on validation by over a point, up to which it may become champion.
RISK_ON_VALIDATION = 0.2
# Of a tie: on what nothing solves yet, a scaffold that gives up is as good as any.
LEAST_SUCCESSES = 3
# The variance of the champion's level above which it runs again, by that which a tip needs: one pass is too few.
VAGUE_FROM = 1.5
# The probability of a gain below which it tells nothing of the tip.
IMPLAUSIBLE = 0.001
# The most passes in which tip and champion are compared during one stack.
MOST_COMPARED = 8
# A lead of ten points is worth a comparison once its doubt is at most so many times the risk.
LARGE, NEARLY = 0.1, 5.0
# Standard errors by which others' trials may move the champion's level.
CONTRADICTS = 2.0
WORTH_IT = "likely to be worth it"
TRAIN_ONLY = "helps only on train tasks"
NO_BETTER = "probably worse than its parent"
WAITS = "the stack waits for support by validation"


@dataclass(frozen=True)
class StackRule:
    """All evidence after some rounds. A value: the same trials in the same order give the same one.

    `seeds`: results on the tip's seeds; `earlier`: on those of the scaffolds before it, the champion's first. `splits`:
    train and validation apart; None if that is switched off, or the suite lacks one of them. `salt`, and `rounds` so
    far: by them the plan of each round draws its tasks. `champion_level`: the champion's by trials of its own, while
    something is stacked on it; None if it has none in this epoch. `compared`: passes of tip and champion side by side
    since then.
    """

    settings: GateConfig
    plan: SuitePlan
    difficulty: TaskDifficulty
    seeds: SeedHistory
    earlier: tuple[SeedHistory, ...] = ()
    level: Levels = VAGUE
    prior: LearnedPrior = field(default_factory=LearnedPrior)
    luck: SharedLuck = field(default_factory=SharedLuck)
    tip_trials: int = 0
    patch_trials: int = 0
    splits: Generalisation | None = None
    salt: int = 0
    rounds: int = 0
    champion_level: Levels | None = None
    compared: int = 0

    def __post_init__(self) -> None:
        if len(self.earlier) != self.level.stacked:
            raise ValueError(f"{self.level.stacked} patches are stacked, and {len(self.earlier)} scaffolds have seeds")
        if self.splits is not None and self.splits.levels.stacked != self.level.stacked:
            raise ValueError(f"{self.level.stacked} patches are stacked, and {self.splits.levels.stacked} by split")

    @classmethod
    def begin(cls, settings: GateConfig, plan: SuitePlan, salt: int = 0) -> StackRule:
        seeds = SeedHistory.begin(settings.most_passes, plan.count)
        splits = Generalisation.begin(len(plan.train), len(plan.validation)) if settings.generalise else None
        fade = FADE_ABOVE_OF_ALL if _learns_from_dropped(settings, plan) else FADE_ABOVE
        difficulty, plan = TaskDifficulty.empty(plan.count, fade), plan.drawn(_draw(salt, 0))
        return cls(settings, plan, difficulty, seeds, splits=splits, salt=salt)

    @property
    def stacked(self) -> int:
        """How many patches lie between champion and tip."""
        return self.level.stacked

    @property
    def own(self) -> tuple[Floats, ...]:
        return self.seeds.own

    @property
    def shared_luck(self) -> float:
        """Correlation of two scaffolds' rewards on a shared seed, given the task."""
        return self.luck.correlation(self.difficulty.spread)

    def tip_needs_trials(self) -> bool:
        """Whether the tip needs another pass before it is challenged."""
        trials = self.plan.pass_trials * self.settings.tip_passes
        few = self.tip_trials < self.settings.tip_share * self.patch_trials
        fresh = bool(self.own or self.stacked)
        vague = self.level.variance > self._enough() and float((~np.isnan(self.seeds.tip)).sum()) < trials
        return not fresh or vague or few

    def _scores_apart(self, rewards: Floats, spread: float | None = None) -> list[Score | None]:
        """Scores on train and validation; None where nothing ran."""
        return [
            self.score(rewards, tasks, spread) if not np.isnan(rewards[:, list(tasks)]).all() else None
            for tasks in (self.plan.train, self.plan.validation)
        ]

    def next_tip_parts(self) -> tuple[Part, ...]:
        """The tip's next pass: the first in the order of this round's challengers of which it lacks trials."""
        return next(lacking for number in count() if (lacking := self.tip_lacks(*self.plan.pass_parts(number))))

    def tip_lacks(self, *parts: Part) -> tuple[Part, ...]:
        """What the tip has not run of these parts."""
        tip = padded(self.seeds.tip, max(part.attempt for part in parts) + 1)
        left = (
            replace(part, tasks=tuple(task for task in part.tasks if np.isnan(tip[part.attempt, task])))
            for part in parts
        )
        return tuple(part for part in left if part.tasks)

    def with_tip_pass(self, rewards: Floats) -> StackRule:
        """The rule after one more pass of the tip over all tasks."""
        return self.with_tip_trials(np.vstack([np.full((len(self.own), len(rewards)), np.nan), rewards]))

    def with_tip_trials(self, rewards: Floats) -> StackRule:
        """The rule after trials of the tip: passes x tasks, NaN where not run."""
        trials = int((~np.isnan(rewards)).sum())
        spread = self.difficulty.with_rewards(rewards, float(np.nanmean(rewards))).spread
        level = self.level.after_tip_trials(self.score(rewards, spread=spread))
        return replace(
            self,
            difficulty=self.difficulty.with_rewards(rewards, level.mean),
            tip_trials=self.tip_trials + trials,
            seeds=self.seeds.with_tip_trials(rewards),
            level=level,
            splits=self.splits and self.splits.after_tip_trials(self._scores_apart(rewards, spread)),
        )

    def judge(self, new: Floats, saving: float = 0.0, idle: bool = False) -> NeedPart | Ruling:
        """Judge a challenger.

        Args:
            new: Its rewards, passes x tasks, NaN where not run yet.
            saving: The share of the tip's cost that it saves; it breaks ties, where no pair of trials differs.
            idle: Whether all of these trials ended exactly as the tip's did on the same seeds, in all respects.
        """
        # Of all trials, as the saving is: what a later one has told apart is no tie at an earlier stage either.
        ties = saving >= self.settings.tie_saving and self._ties(new)
        for number, stage in enumerate(self.stages()):
            if needed := self.missing_part(number, new):
                return needed
            seen = self._up_to(number, new)
            effect = self.level.effect(self.score(seen)).effect
            tie = ties and (number < self.plan.screens or _successes(new) >= LEAST_SUCCESSES)
            if tie and number >= self.plan.screens:
                return self._take(new, "as good, and cheaper")
            if idle and not tie and number >= self.plan.idle_from:
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
        number, most = self._validation_passes(seen), self.settings.most_passes
        seen_apart = seen.copy()
        while (answer := self._support(seen_apart, last=number >= most)) is Support.UNCLEAR:
            for part in self.plan.validation_parts(number):
                chosen = list(part.tasks)
                if np.isnan(new[part.attempt, chosen]).any():
                    return NeedPart(part)
                seen_apart[part.attempt, chosen] = new[part.attempt, chosen]
            number += 1
        if answer is Support.NO:
            return self._drop(seen, self._why_unsupported(seen_apart), seen_apart)
        return self._take(seen, WORTH_IT, seen_apart)

    def _validation_passes(self, seen: Floats) -> int:
        """The passes over validation that a challenger has run."""
        passes = self.settings.most_passes
        return next((number for number in range(passes) if self._lacks(number, seen)), passes)

    def _lacks(self, number: int, seen: Floats) -> bool:
        """Whether a pass over validation is not in these rewards."""
        return any(np.isnan(seen[part.attempt, list(part.tasks)]).any() for part in self.plan.validation_parts(number))

    def _support(self, seen: Floats, last: bool) -> Support:
        assert self.splits is not None
        return support(self.splits.evidence(self._split_scores(seen), self.prior.weights), last)

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
            if self.shared_luck > SHARED_LUCK_MATTERS and (lacking := self.tip_lacks(part)):
                return NeedPart(lacking[0], of_tip=True)
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
        first = [part for parts in self.plan.stages[: self.plan.screens + 1] for part in parts]
        shares = self.seeds.shares(self.shared_luck)
        shared = float(np.concatenate([shares[part.attempt, list(part.tasks)] for part in first]).mean())
        sampling = float(self.difficulty.doubt.mean()) * (1 - self.plan.pass_trials / self.plan.count)
        noise2 = self.difficulty.spread**2 * (1 - self.shared_luck * shared) + sampling
        spread = max(round(math.sqrt(noise2) * 20), 1) / 20
        variance = 1.4 ** round(math.log((1 - shared) ** 2 * self.level.variance + 1e-9, 1.4))
        weights = tuple((np.round(self.prior.weights * 200) / 200).tolist())
        return stages(weights, spread, variance, self.plan.trials, self.plan.screens)

    def _up_to(self, stage: int, new: Floats) -> Floats:
        """The challenger's rewards of the stages up to this one."""
        seen = np.full_like(new, np.nan)
        for parts in self.plan.stages[: stage + 1]:
            for part in parts:
                seen[part.attempt, list(part.tasks)] = new[part.attempt, list(part.tasks)]
        return seen

    def score(self, seen: Floats, tasks: Sequence[int] | None = None, spread: float | None = None) -> Score:
        """A scaffold's score: its residuals, less the luck shared with all that ran on its seeds.

        `tasks`: those that count, and on whose scale it is; None: all. `spread`: of a trial, if it is known better than
        by the trials so far.
        """
        chosen = self.plan.everything if tasks is None else tasks
        spread = self.difficulty.spread if spread is None else spread
        return self.seeds.score(seen, chosen, self.difficulty, self.shared_luck, spread)

    def _ties(self, seen: Floats) -> bool:
        """Whether each of its trials has one of the tip on the same seed, and all are equal."""
        known = ~np.isnan(seen)
        return bool((padded(self.seeds.tip, len(seen))[: len(seen)] == seen)[known].all())

    def _worse_on_validation(self, seen: Floats) -> bool:
        """Whether validation alone speaks against the challenger by more than `validation_veto` standard errors."""
        chosen = list(self.plan.validation)
        if not chosen:
            return False
        known, doubt = ~np.isnan(seen[:, chosen]), self.difficulty.doubt[chosen]
        if not known.any():
            return False
        gain = (seen[:, chosen] - self.difficulty.easiness[chosen])[known].mean() - self.level.mean
        weights = known.sum(axis=0) / known.sum()
        sampling = float(((weights - 1 / len(chosen)) ** 2) @ doubt)
        error2 = self.difficulty.spread**2 / known.sum() + self.level.variance + sampling
        return bool(gain < -self.settings.validation_veto * math.sqrt(error2))

    def _drop_idle(self, seen: Floats) -> Ruling:
        """Drop a challenger none of whose n trials differed. They tell nothing new about the tip.

        An effect that was never seen in n trials has about 1 / n as its scale (95 % limit 3 / n: Hanley and
        Lippman-Hand 1983, JAMA 249:1743).
        """
        count = int((~np.isnan(seen)).sum())
        effect = EstimatedEffect(0.0, 1 / count)
        after, why = self._remember(seen, effect).for_next_round(), "every trial ended exactly as without the patch"
        return after.dropping(effect, count, why)

    def _drop(self, seen: Floats, why: str, apart: Floats | None = None) -> Ruling:
        """Drop a challenger. `apart`: its trials with those that were asked for on validation alone."""
        score, apart = self.score(seen), seen if apart is None else apart
        return self._settle(apart, score, self._after_drop(seen, score, apart), taken=False, why=why)

    def _after_drop(self, seen: Floats, score: Score, apart: Floats) -> StackRule:
        """The rule after a dropped challenger.

        One that earns nothing is broken, one whose gain no patch has is something else: they tell nothing of the tip.
        """
        estimate = self.level.effect(score)
        after = self._remember(apart, estimate)
        if not np.nansum(seen) or (estimate.effect > 0 and chance_of(estimate, self.prior.weights) < IMPLAUSIBLE):
            return after
        level, _ = self.level.after_challenger(score, self.prior.weights)
        gain, learns = self.level.expected(score, self.prior.weights), _learns_from_dropped(self.settings, self.plan)
        return replace(
            after,
            level=level,
            difficulty=self.difficulty.with_rewards(apart, level.mean + gain) if learns else self.difficulty,
            seeds=self.seeds.with_rewards(apart, gain),
            splits=self.splits and self.splits.after_dropped(self._split_scores(apart), self.prior.weights),
        )

    def _take(self, seen: Floats, why: str, apart: Floats | None = None) -> Ruling:
        """Take a challenger. `apart`: as for `_drop`; trials on validation alone are no part of its score."""
        score, apart = self.score(seen), seen if apart is None else apart
        _, level = self.level.after_challenger(score, self.prior.weights)
        after = replace(
            self._remember(apart, self.level.effect(score)),
            level=level,
            difficulty=self.difficulty.with_rewards(apart, level.mean),
            seeds=self.seeds.for_next_tip(),
            earlier=(*self.earlier, self.seeds),
            champion_level=self.champion_level if self.stacked else self.level,
            compared=self.compared if self.stacked else 0,
            splits=self.splits and self.splits.after_taken(self._split_scores(apart), self.prior.weights),
        )
        return self._settle(apart, score, after, taken=True, why=why)

    def _settle(self, seen: Floats, score: Score, after: StackRule, taken: bool, why: str) -> Ruling:
        """Decide the fate of the stack."""
        trials = int((~np.isnan(seen)).sum())
        return after.for_next_round()._ruling(self.level.effect(score), trials, taken, why)

    def _ruling(self, estimate: EstimatedEffect, trials: int, taken: bool, why: str) -> Ruling:
        """The ruling after which the evidence is this. `estimate`: of the challenger, after so many trials."""
        lead, error = self.level.lead if self.stacked else None, math.sqrt(self.level.lead_variance)
        assessment = Assessment(estimate.effect, estimate.error, self.level.behind(HARM), trials, lead, error)
        better = self._is_better()
        if (left := self._better_earlier()) is not None:
            if taken and left and left == self.stacked - 1:
                return Ruling(False, StackFate.OPEN, assessment, self._back_to(left), f"{why}; {NO_BETTER}")
            return Ruling(False, StackFate.GIVEN_UP, assessment, self._back_to(left), why, left=left)
        if better and self._is_supported():
            return Ruling(taken, StackFate.PROMOTED, assessment, self._promoted(), why)
        return Ruling(taken, StackFate.OPEN, assessment, self, f"{why}; {WAITS}" if better else why)

    def for_next_round(self) -> StackRule:
        """The rule with the next round's plan."""
        return replace(self, rounds=self.rounds + 1, plan=self.plan.drawn(_draw(self.salt, self.rounds + 1)))

    def with_champion_trials(self, rewards: Floats) -> StackRule:
        """The rule after trials of the champion on the attempts of another tip: passes x tasks, NaN where not run."""
        doubtful, splits = self.level, self.splits
        if error := self.contradiction():
            doubtful, splits = doubtful.with_doubtful_lead(error), splits and splits.with_doubtful_lead(error)
        score = self.score(rewards)
        own = Score(score.value + (1 - score.weight) * self.level.mean, score.error2)
        return replace(
            self,
            level=doubtful.after_champion_trials(score),
            champion_level=(self.champion_level or VAGUE).after_tip_trials(own),
            compared=self.compared + 1,
            splits=splits and splits.after_champion_trials(self._scores_apart(rewards)),
            seeds=self.seeds.with_rewards(rewards, -self.level.lead),
            tip_trials=self.tip_trials + int((~np.isnan(rewards)).sum()),
        )

    def dropping(self, estimate: EstimatedEffect, trials: int, why: str) -> Ruling:
        """The ruling on a dropped challenger, with the stack's fate by what is known now. `estimate`: of its effect."""
        return self._ruling(estimate, trials, taken=False, why=why)

    def ruling_on_stack(self) -> Ruling:
        """What becomes of the stack by what is known, without a challenger."""
        lead = EstimatedEffect(self.level.lead, math.sqrt(self.level.lead_variance))
        return self._ruling(lead, 0, taken=False, why="")

    def in_new_epoch(self) -> StackRule:
        """The rule once the model may have changed: the tip is measured anew, and what is stacked keeps its lead."""
        return replace(
            self,
            level=self.level.in_new_epoch(),
            splits=self.splits and self.splits.in_new_epoch(),
            seeds=self.seeds.in_new_epoch(),
            earlier=tuple(seeds.in_new_epoch() for seeds in self.earlier),
            champion_level=None,
        )

    def wants_comparison(self) -> bool:
        """Whether trials of tip and champion side by side would settle what challengers' trials leave open."""
        if not self.stacked or self.compared >= MOST_COMPARED:
            return False
        if self.contradiction() or self._champion_is_vague():
            return True
        return self._is_nearly_better() or (self._is_better() and self._may_be_supported())

    def _champion_is_vague(self) -> bool:
        """Whether the champion has too few trials of its own, as in a new epoch."""
        return self.champion_level is None or self.champion_level.variance > VAGUE_FROM * self._enough()

    def _enough(self) -> float:
        """The variance of a level that is known by as many trials as a tip needs before it is challenged."""
        trials = self.plan.pass_trials * self.settings.tip_passes
        sampling = max(1 / trials - 1 / self.plan.count, 0.0)
        return self.difficulty.spread**2 / trials + self.difficulty.between * sampling

    def _is_better(self) -> bool:
        return bool(self.stacked) and self.level.behind(HARM) <= self.settings.risk

    def _is_nearly_better(self) -> bool:
        """Whether a large lead is nearly sure."""
        return self.level.lead >= LARGE and self.settings.risk < self.level.behind(HARM) <= NEARLY * self.settings.risk

    def _is_supported(self, risk: float = RISK_ON_VALIDATION) -> bool:
        return self.splits is None or self.splits.stack_is_supported(HARM, risk)

    def _may_be_supported(self) -> bool:
        return not self._is_supported() and self._is_supported(1 - RISK_ON_VALIDATION)

    def contradiction(self) -> float:
        """By how much the champion's level was moved by others' trials, if by more than its own trials allow; else 0.

        Then the prior took a large gain of a patch for luck, or rewards have changed: the lead is not what is believed.
        """
        if not self.stacked or self.champion_level is None:
            return 0.0
        moved = abs(self.level.mean - self.level.lead - self.champion_level.mean)
        trials = self.plan.pass_trials * self.settings.tip_passes
        error2 = max(self.champion_level.variance, self.difficulty.spread**2 / trials)
        return moved if moved > CONTRADICTS * math.sqrt(error2) else 0.0

    def with_fresh_gain(self, ruling: Ruling, gain: EstimatedEffect) -> Ruling:
        """The ruling on a challenger that is taken, once its gain was measured afresh: that alone counts for the level.

        Its other trials made it seem as good, and the prior holds that such gains are luck. It is no champion before it
        has met a challenger.
        """
        if ruling.fate is not StackFate.OPEN:
            return ruling
        assert isinstance(ruling.rule, StackRule)
        after = replace(ruling.rule, level=self.level.after_gain(gain.effect, gain.error))
        return replace(ruling, rule=after)

    def _better_earlier(self) -> int | None:
        """The place of the scaffold before the tip that rounds should go on from; None: it is the tip."""
        if not self.stacked:
            return None
        best = self.level.best_earlier() if self.settings.step_back else 0
        worse = any(self.level.behind(0.0, place) >= self.settings.give_up for place in {0, best})
        return best if worse else None

    def _promoted(self) -> StackRule:
        splits = self.splits and self.splits.after_promotion()
        return replace(self, level=self.level.as_champion(), earlier=(), splits=splits)

    def _back_to(self, place: int) -> StackRule:
        """The rule once the scaffold at this place of the line is the tip again."""
        splits = self.splits and self.splits.after_going_back(place)
        level, seeds, earlier = self.level.back_to(place), self.earlier[place], self.earlier[:place]
        return replace(self, level=level, seeds=seeds, earlier=earlier, splits=splits)

    def _remember(self, seen: Floats, estimate: EstimatedEffect) -> StackRule:
        """Remember the challenger, for the prior and for the shared luck. `estimate`: of its effect."""
        worth = self.settings.large_worth if self.plan.sampled else self.settings.worth
        luck = self.luck
        if self._counts_luck():
            luck = luck.with_pairs(seen, self.seeds.tip, self.difficulty, self.level.mean)
        trials, prior = int((~np.isnan(seen)).sum()), self.prior.after_patch(estimate, worth)
        return replace(self, prior=prior, luck=luck, patch_trials=self.patch_trials + trials)

    def _counts_luck(self) -> bool:
        """Whether the tip's trials tell what it shares with others: a small suite's once each task ran twice."""
        return self.plan.sampled or bool(((~np.isnan(self.seeds.tip)).sum(axis=0) > 1).all())


def _learns_from_dropped(settings: GateConfig, plan: SuitePlan) -> bool:
    """Whether dropped challengers tell how easy their tasks are; a large suite's get few trials of the line."""
    return plan.sampled and settings.learn_from_dropped


def _successes(seen: Floats) -> int:
    """How many trials earned something."""
    return int((seen > 0).sum())


def _draw(salt: int, number: int) -> int:
    """By what a round draws its tasks."""
    return stable_hash(salt, "round's tasks", number)
