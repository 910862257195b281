"""The rule that stacks patches: beliefs, stages, and what follows from trials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.gate_config import GateConfig
from evolve.core.records import StackFate
from evolve.gate import prior
from evolve.gate.levels import Levels, Score
from evolve.gate.plan import Part, plan
from evolve.gate.ruling import NeedPart, Ruling
from evolve.gate.seed_history import padded
from evolve.gate.stack_rule import StackRule
from evolve.gate.stages import NEVER, stages
from tests.test_gate_levels import covariance_of_lead, pair

TASKS, PASSES = 20, 8


def rewards(rate: float, passes: int, seed: int) -> Any:
    return (np.random.default_rng(seed).random((passes, TASKS)) < rate).astype(float)


def begun(order: Any = None, **settings: Any) -> Any:
    """A line whose seed scaffold was measured twice. `order`: which column each task stands in."""
    order = np.arange(TASKS) if order is None else order
    place = np.argsort(order).tolist()
    train, validation = place[:14], place[14:]
    chosen = GateConfig(**settings)
    line = StackRule.begin(chosen, plan(train[:7], train, validation, chosen.passes))
    for one in rewards(0.4, 2, 1):
        line = line.with_tip_pass(one[order])
    return line


def ruled(line: Any, new: Any, **more: Any) -> Any:
    """The ruling on a challenger all of whose trials are known."""
    said = line.judge(new, **more)
    assert isinstance(said, Ruling)
    return said


def test_the_prior_adapts_to_a_proposer_that_is_mostly_right_and_soon_if_it_is_not() -> None:
    dice = np.random.default_rng(1)

    def helpful(weights: Any, count: int) -> float:
        """The learned share of patches that help, after so many with errors of 8 points; mean of 20."""
        found = []
        for _ in range(20):
            effects = dice.choice(prior.EFFECTS, count, p=weights)
            tried = [prior.EstimatedEffect(float(effect + dice.normal(0, 0.08)), 0.08) for effect in effects]
            learned = prior.fit_prior(tried, prior.mixed_prior(tried), GateConfig().worth)
            found.append(learned[prior.EFFECTS > 0].sum())
        return float(np.mean(found))

    first = prior.first_prior()[prior.EFFECTS > 0].sum()
    assert helpful(prior.mostly_right_prior(), 20) > 1.7 * first
    assert helpful(prior.first_prior(), 20) < 1.6 * first


def test_the_prior_is_learned_as_long_as_the_run_lasts() -> None:
    line = begun()
    learned, new = [], rewards(0.2, PASSES, 9)
    for number in range(700):
        after = replace(ruled(line, new).rule, level=line.level, seeds=line.seeds)
        learned += [number] if after.prior.learn_at != line.prior.learn_at else []
        line = after
    assert learned[:3] == [2, 3, 4]
    assert max(np.diff(learned)) <= 100
    assert learned[-1] > 590


@pytest.mark.parametrize("seed", range(3))
def test_a_gain_in_rewards_of_little_spread_is_found_however_well_the_tip_is_known(seed: int) -> None:
    tasks, train, dice = 44, range(30), np.random.default_rng(seed)
    known = dice.uniform(0.2, 0.6, tasks)
    line = StackRule.begin(GateConfig(), plan(train[:15], train, range(30, tasks), GateConfig().passes))
    line = line.with_tip_trials(known + dice.normal(0, 0.01, (30, tasks)))
    for gain in (0.03, 0.1, 0.24, 0.4):
        assert ruled(line, known + gain + dice.normal(0, 0.01, (PASSES, tasks))).taken, gain
    assert not ruled(line, known - 0.03 + dice.normal(0, 0.01, (PASSES, tasks))).taken


@given(st.floats(0.05, 0.3), st.floats(1e-9, 1e-3), st.integers(7, 60), st.sampled_from([0.0, 0.005, 1.0]))
@settings(max_examples=60, deadline=None)
def test_thresholds_are_within_the_effects_that_there_are(
    spread: float, variance: float, trials: int, broken: float
) -> None:
    weights = prior.first_prior()
    weights[0] *= broken
    found = stages(tuple(weights.tolist()), spread, variance, tuple(trials * count for count in (1, 2, 3, 6, 9)), 2)
    for stage in found[2:]:
        assert -0.3 <= stage.drop <= stage.take <= 0.3
    assert [stage.take for stage in found[:2]] == [NEVER] * 2


def test_the_first_prior_is_a_distribution_with_more_harm_than_gain() -> None:
    weights = prior.first_prior()
    assert weights.sum() == pytest.approx(1)
    assert weights[prior.EFFECTS < 0].sum() > weights[prior.EFFECTS > 0].sum() > 0


def test_the_prior_is_learned_from_what_was_tried() -> None:
    first, tried = prior.first_prior(), [prior.EstimatedEffect(0.07, 0.01)] * 50
    after = prior.fit_prior(tried, first, worth=10)
    assert after.sum() == pytest.approx(1)
    assert after[prior.EFFECTS == 0.07] > 0.7
    assert np.allclose(prior.fit_prior(tried, first, worth=1e9), first, atol=1e-6)


def test_the_level_and_its_lead_agree_with_a_simulation() -> None:
    """Draw level and effect from the belief, keep the draws whose score is near: their moments are the posterior's."""
    rng, draws = np.random.default_rng(0), 2_000_000
    level, weights = Levels.of(0.5, 0.03**2), prior.first_prior()
    tip = rng.normal(0.5, 0.03, draws)
    effect = rng.choice(prior.EFFECTS, draws, p=weights)
    near = np.abs(tip + effect + rng.normal(0, 0.04, draws) - 0.58) < 0.002
    dropped, stacked = level.after_challenger(Score(0.58, 0.04**2), weights)
    assert dropped.mean == pytest.approx(tip[near].mean(), abs=0.001)
    assert dropped.variance == pytest.approx(tip[near].var(), rel=0.05)
    assert stacked.mean == pytest.approx((tip + effect)[near].mean(), abs=0.001)
    assert stacked.lead == pytest.approx(effect[near].mean(), abs=0.001)
    assert stacked.lead_variance == pytest.approx(effect[near].var(), rel=0.05)
    assert covariance_of_lead(stacked) == pytest.approx(np.cov(effect[near], (tip + effect)[near])[0, 1], rel=0.1)
    assert stacked.back_to(0).mean == pytest.approx(dropped.mean)


def test_stages_ask_for_less_the_more_is_known_and_screens_take_nothing() -> None:
    weights = tuple(prior.first_prior().tolist())
    found = stages(weights, 0.45, 0.0005, (7, 14, 20, 40, 60, 80), 2)
    assert [stage.take for stage in found[:2]] == [NEVER] * 2
    assert all(stage.drop <= stage.take for stage in found)
    assert found[-1].take < found[2].take
    assert found[-1].drop == found[-1].take


def test_each_stage_is_asked_for_in_turn() -> None:
    line, new = begun(), np.full((PASSES, TASKS), np.nan)
    said = line.judge(new)
    assert said == NeedPart(Part(0, tuple(range(7))))
    new[0, :7] = 1.0
    assert line.judge(new) == NeedPart(Part(0, tuple(range(7, 14))))
    new[0, :7] = 0.0
    assert not ruled(line, new).taken, "hopeless after the first stage"


def test_a_clear_gain_is_taken_and_promoted_and_clear_harm_is_dropped() -> None:
    unsure = ruled(begun(), np.ones((PASSES, TASKS)))
    assert (unsure.taken, unsure.fate) == (True, StackFate.OPEN)
    assert not unsure.rule.own, "its own trials as a challenger are no fresh ones"
    better = ruled(begun(risk=0.2), np.ones((PASSES, TASKS)))
    assert (better.taken, better.fate) == (True, StackFate.PROMOTED)
    assert better.assessment == unsure.assessment
    assert better.rule.tip_needs_trials(), "a new champion gets fresh trials of its own"
    worse = ruled(begun(), np.zeros((PASSES, TASKS)))
    assert (worse.taken, worse.fate) == (False, StackFate.OPEN)
    assert worse.assessment.trials == 7


def test_a_gain_on_train_that_costs_on_validation_is_dropped() -> None:
    new = np.ones((PASSES, TASKS))
    new[:, 14:] = 0.0
    assert ruled(begun(), new).why == "worse on validation"
    assert ruled(begun(validation_veto=99.0), new).why.startswith("helps only on train tasks (train +")
    assert ruled(begun(validation_veto=99.0, generalise=False), new).taken


def test_a_stack_that_turns_out_worse_is_given_up() -> None:
    line = begun(generalise=False)
    champions = line.seeds.for_next_tip().with_tip_trials(np.zeros((1, TASKS)))
    line = replace(line, earlier=(champions,), level=pair(line.level.mean, line.level.variance, -0.05, 0.001, 0.0))
    said = ruled(line, np.zeros((PASSES, TASKS)))
    assert said.fate is StackFate.GIVEN_UP
    assert said.rule.stacked == 0
    assert said.rule.seeds is champions


def lined_up(*means: float, **values: Any) -> StackRule:
    """A rule with scaffolds of these levels, the champion's first; each is known to within two points."""
    line = begun(generalise=False, **values)
    seeds = tuple(line.seeds.for_next_tip() for _ in means[1:])
    return replace(line, level=Levels(np.array(means), 0.02**2 * np.eye(len(means))), earlier=seeds)


def test_a_tip_gives_way_to_the_best_scaffold_of_its_stack() -> None:
    line = lined_up(0.3, 0.5, 0.45, 0.4)
    said = line.ruling_on_stack()
    assert (said.taken, said.fate, said.left) == (False, StackFate.GIVEN_UP, 1)
    assert isinstance(said.rule, StackRule)
    assert (said.rule.stacked, said.rule.level.mean, said.rule.earlier) == (1, 0.5, line.earlier[:1])
    assert said.rule.seeds is line.earlier[1], "its own trials count again"
    after = said.rule.ruling_on_stack()
    assert (after.fate, after.rule.stacked) == (StackFate.PROMOTED, 0), "what it gave way to is judged as any tip"


def test_a_tip_stays_that_is_about_as_good_as_the_best_of_its_stack() -> None:
    assert lined_up(0.4, 0.42, 0.41).ruling_on_stack().fate is StackFate.OPEN
    assert lined_up(0.4, 0.42, 0.37).ruling_on_stack().left == 1, "better than the champion's level by then"
    assert lined_up(0.43, 0.42, 0.37).ruling_on_stack().left == 0, "the champion is the best of them"
    whole = lined_up(0.4, 0.46, 0.4, step_back=False).ruling_on_stack()
    assert whole.fate is StackFate.OPEN, "of earlier runs the champion alone is asked about"


def test_a_patch_that_leaves_its_parent_the_better_one_is_not_taken() -> None:
    said = lined_up(0.3, 0.5, 0.4)._ruling(prior.EstimatedEffect(0.0, 0.02), 20, True, "as good, and cheaper")
    assert (said.taken, said.fate, said.rule.stacked) == (False, StackFate.OPEN, 1)
    assert said.why == "as good, and cheaper; probably worse than its parent"


def test_a_tie_goes_to_the_cheaper() -> None:
    line = begun()
    same = padded(np.array(line.own), PASSES)
    assert not ruled(line, same).taken and not ruled(line, same, saving=0.01).taken
    assert ruled(line, same, saving=0.2).why == "as good, and cheaper"
    told_apart = np.vstack([*line.own, rewards(0.4, PASSES - 2, 5)])
    assert not ruled(line, told_apart, saving=0.2).taken, "the saving is that of all trials, of which others differ"


def test_luck_that_is_shared_is_noticed_and_taken_out() -> None:
    line = begun()
    for one in rewards(0.4, 6, 2):
        line = line.with_tip_pass(one)
    twin = np.array(line.own)
    alike = line
    for _ in range(30):
        alike = ruled(alike, twin).rule
    assert alike.shared_luck > 0.6 > 0.3 > line.shared_luck
    assert alike.score(twin).error2 < line.score(twin).error2 / 2


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_tasks_changes_nothing(seed: int) -> None:
    order, new = np.random.default_rng(seed).permutation(TASKS), rewards(0.5, PASSES, 100 + seed)
    one, other = ruled(begun(), new), ruled(begun(order), new[:, order])
    assert (one.taken, one.fate, one.why) == (other.taken, other.fate, other.why)
    assert one.assessment.effect == pytest.approx(other.assessment.effect)
    assert one.assessment.doubt == pytest.approx(other.assessment.doubt)


@pytest.mark.parametrize("seed", range(40))
def test_more_wins_never_turn_a_patch_that_is_taken_into_one_that_is_dropped(seed: int) -> None:
    rng = np.random.default_rng(seed)
    new = rewards(0.55, PASSES, 200 + seed)
    more = np.maximum(new, rng.random(new.shape) < 0.1)
    line = begun(generalise=False)
    before, after = ruled(line, new), ruled(line, more)
    assert after.taken >= before.taken


def campaigns(effect: float, count: int = 150, **settings: Any) -> float:
    """The share of `count` challengers that is taken: pass rates 0.4 for the tip, 0.4 + effect for them."""
    line, taken = begun(tip_passes=8, **settings), 0
    for one in rewards(0.4, 6, 3):
        line = line.with_tip_pass(one)
    for seed in range(count):
        new = rewards(0.4 + effect, max(line.settings.passes), 1000 + seed)
        taken += ruled(line, new).taken
    return taken / count


def test_patches_that_help_are_taken_and_others_seldom() -> None:
    assert campaigns(-0.1) <= 0.05
    assert campaigns(0.0) <= 0.25
    assert campaigns(0.2) >= 0.8


def test_peeking_more_often_does_not_take_more_that_is_worth_nothing() -> None:
    seldom = campaigns(0.0, 400, passes=(1, 4, 8))
    often = campaigns(0.0, 400, passes=(1, 2, 3, 4, 5, 6, 7, 8))
    assert often <= seldom + 0.05


def test_broken_patches_do_not_talk_the_tip_down() -> None:
    line = begun()
    stacked = ruled(line, np.ones((PASSES, TASKS))).rule.with_tip_pass(np.ones(TASKS))
    after = stacked
    for _ in range(10):
        after = ruled(after, np.zeros((PASSES, TASKS))).rule
    assert (after.level.mean, after.level.variance) == (stacked.level.mean, stacked.level.variance)
    assert after.prior.tried != stacked.prior.tried
